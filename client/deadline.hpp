// Points in time on a clock that neither jumps nor can be set, and the rules of C3 for timeouts.
//
// Thread-safe; reads the clock only for a default argument and in left_until().

#pragma once

#include <chrono>
#include <expected>
#include <optional>

#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locket::client {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

inline constexpr TimePoint kNever = TimePoint::max();

// How long past a deadline to wait for the daemon's own answer, which says who holds the lock. An
// answer still missing then means that the daemon is stopped, dead or overloaded.
inline constexpr std::chrono::milliseconds kReplyGrace{20};

// How long an attempt without waiting (timeout 0), or a query, may take. Generous, since a busy
// machine must not make a free lock look taken.
inline constexpr std::chrono::seconds kPatience{1};

// A timeout as the caller gives it (none: forever), or one clear line about what is wrong with it.
std::expected<std::optional<proto::Seconds>, proto::Error> check_timeout(
    std::optional<double> seconds);

// Rounds up, so that nothing ends early; `seconds` has passed check_timeout.
TimePoint after(proto::Seconds seconds, TimePoint start = Clock::now());

// What is left until then; zero if it has passed.
proto::Seconds left_until(TimePoint deadline);

}  // namespace locket::client
