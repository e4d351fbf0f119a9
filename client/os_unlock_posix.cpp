#include <sys/file.h>

#include <cerrno>

#include "client/os_unlock.hpp"

namespace locket::client {

void os_unlock(proto::Descriptor descriptor) {
  if (descriptor) os_unlock_open(descriptor.get());
}

void os_unlock_open(int descriptor) {
  // EINTR comes only from network and user-space file systems.
  while (::flock(descriptor, LOCK_UN) != 0 && errno == EINTR) {
  }
}

}  // namespace locket::client
