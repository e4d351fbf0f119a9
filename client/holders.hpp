// A refusal in words: who holds the lock, since when and what for (C13).
//
// User names are looked up here and not in the daemon, because a name service (LDAP, NIS) may
// block, which must delay only the caller that asks. The same goes for searching /proc for an
// external holder.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/messages.hpp"

namespace locket::client {

// All texts are escaped.
struct Holder {
  std::int64_t pid = 0;  // 0: unknown
  std::optional<std::uint32_t> uid;
  std::string user;
  std::string command;
  std::string reason;
  proto::Mode mode = proto::Mode::exclusive;
  double since = 0;  // seconds since the epoch; 0: unknown
  double held = 0;   // seconds
  proto::Token token = 0;
  bool external = false;
};

// The name from getpwuid_r(3), else the number; escaped. May block on a name service.
std::string user_name(std::uint32_t uid);

// The holders that the refusal names; for an external one, what the kernel tells about it
// (external_holder.hpp). `daemon_pid` is never taken for a holder.
std::vector<Holder> holders_of(const proto::Refusal& refusal, std::int64_t daemon_pid);

// "/srv/db.lock is locked by pid 4242 (backup, user ann) for 12 s: nightly backup". `path` is
// escaped. Pure, except that it reads its own process's pid.
std::string refusal_text(std::string_view path, const proto::Refusal& refusal,
                         const std::vector<Holder>& holders);

// "timed out after 30 s: " and the reason; only the reason for timeout 0, which did not wait.
std::string timeout_text(std::string_view reason, proto::Seconds timeout);

// For people: "0.3 s", "12 s", "5 min", "3 h", "4 days".
std::string duration_text(double seconds);

}  // namespace locket::client
