// Whether an open file description has an flock(2), asked without taking one. Thread-safe.

#pragma once

#include <expected>
#include <optional>

#include "proto/messages.hpp"

namespace locket::proto {

// By the "lock:" lines of /proc/thread-self/fdinfo/FD (proc_pid_fdinfo(5)), which name the locks of
// that very description: none where it has none. The errno where that cannot be read: EMFILE where
// there is no descriptor left to do so, ENOENT where there is no /proc, or none that tells of
// locks. Asks no file system.
std::expected<std::optional<Mode>, int> held_flock(int fd);

}  // namespace locket::proto
