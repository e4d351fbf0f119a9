// Whether an open file description has an flock(2), asked without taking one.

#pragma once

#include <optional>

#include "proto/messages.hpp"

namespace locketd {

// By the "lock:" lines of /proc/self/fdinfo/FD (proc_pid_fdinfo(5)), which name the locks of that
// very description. None where it has none, or where there is no /proc. Asks no file system.
std::optional<locket::proto::Mode> held_flock(int fd);

}  // namespace locketd
