// Points in time on the clock that neither jumps nor is set, and the rules of C3 for timeouts.
//
// Thread-safe; reads the clock only for a default argument.

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

// How long past a deadline to wait for the daemon's own word of it, which tells who holds the lock.
// What comes later comes from a daemon that is stopped, dead or drowned.
inline constexpr std::chrono::milliseconds kReplyGrace{20};

// How long an attempt without any waiting (timeout 0), or a question, may take. Generous, since a
// busy machine must not make a free lock look taken.
inline constexpr std::chrono::seconds kPatience{1};

// A timeout as a caller gives it (none: for ever), or one clear line about what is wrong with it.
std::expected<std::optional<proto::Seconds>, proto::Error> check_timeout(
    std::optional<double> seconds);

// Rounds up, so that nothing ends early; `seconds` has passed check_timeout.
TimePoint after(proto::Seconds seconds, TimePoint start = Clock::now());

// What is left until then; zero when it is past.
proto::Seconds left_until(TimePoint deadline);

}  // namespace locket::client
