#include <fcntl.h>

#include "client/inherit.hpp"

namespace locket::client {

bool keep_open_across_exec(int descriptor) {
  return ::fcntl(descriptor, F_SETFD, 0) == 0;
}

}  // namespace locket::client
