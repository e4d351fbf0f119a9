#include <sys/file.h>

#include <cerrno>

#include "client/os_unlock.hpp"

namespace locket::client {

void os_unlock(proto::Descriptor descriptor) {
  if (!descriptor) return;
  // EINTR only from network and user-space file systems.
  while (::flock(descriptor.get(), LOCK_UN) != 0 && errno == EINTR) {
  }
}

}  // namespace locket::client
