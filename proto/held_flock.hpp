// Whether an open file description has an flock(2), asked without taking one. Thread-safe.

#pragma once

#include <expected>
#include <optional>

#include "proto/messages.hpp"

namespace locket::proto {

// Reads the "lock:" lines of /proc/thread-self/fdinfo/FD (proc_pid_fdinfo(5)), which name the locks
// of that very description. None if it has none. The errno if they cannot be read: EMFILE if there
// is no descriptor left to do so, ENOENT if there is no /proc, or one that does not tell locks.
// Asks no file system.
std::expected<std::optional<Mode>, int> held_flock(int fd);

}  // namespace locket::proto
