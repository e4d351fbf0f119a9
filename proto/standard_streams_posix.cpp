#include <fcntl.h>
#include <unistd.h>

#include "proto/standard_streams.hpp"

namespace locket::proto {

// open(2) takes the lowest free number. Opened for the wrong direction, a stream can be neither
// read nor written.
void fill_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    const int access = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", access | O_CLOEXEC) < 0) return;
  }
}

}  // namespace locket::proto
