// How the kernel describes an flock(2): in /proc/locks (proc_locks(5)), and after the "lock:" of
// /proc/PID/fdinfo/FD (proc_pid_fdinfo(5)). Pure, thread-safe.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/messages.hpp"

namespace locket::proto {

struct FlockLine {
  Mode mode = Mode::exclusive;
  std::int64_t pid = 0;
  FileId file;
};

// `1: FLOCK  ADVISORY  WRITE 359 08:01:1234 0 EOF`. None for other kinds than FLOCK and for
// waiters.
std::optional<FlockLine> parse_flock_line(std::string_view line);

}  // namespace locket::proto
