#include <unistd.h>

#include "proto/descriptor.hpp"

namespace locket::proto {

void Descriptor::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  // Not retried on EINTR: on Linux the descriptor is gone by then, see close(2).
  if (old >= 0) ::close(old);
}

}  // namespace locket::proto
