// Who locked a file without the daemon, as far as the kernel tells and the caller may look.
//
// /proc/locks names the process that locked, which may be long gone while a child of it still has
// the open file (flock(1) runs its command that way); /proc/PID/fdinfo (proc_pid_fdinfo(5)) names
// those that have it open now. Reads /proc only; thread-safe.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proto/messages.hpp"

namespace locket::client {

struct ExternalHolder {
  std::int64_t pid = 0;
  std::string command;               // /proc/PID/comm, escaped
  std::optional<std::uint32_t> uid;  // none: unknown
  proto::Mode mode = proto::Mode::exclusive;
};

// None if no holder is found. `daemon_pid` is skipped: what the daemon itself holds is not
// external. `proc` is for tests.
std::optional<ExternalHolder> find_external_holder(proto::FileId file, std::int64_t daemon_pid = 0,
                                                   const std::string& proc = "/proc");

}  // namespace locket::client
