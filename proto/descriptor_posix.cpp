#include <fcntl.h>
#include <unistd.h>

#include "proto/descriptor.hpp"

namespace locket::proto {

void Descriptor::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  // Not retried on EINTR: on Linux the descriptor is gone by then, see close(2).
  if (old >= 0) ::close(old);
}

Descriptor above_standard_streams(Descriptor descriptor) {
  if (!descriptor || descriptor.get() > STDERR_FILENO) return descriptor;
  return Descriptor(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

}  // namespace locket::proto
