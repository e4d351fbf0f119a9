#include "client/deadline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "proto/limits.hpp"

namespace locket::client {

std::expected<std::optional<proto::Seconds>, proto::Error> check_timeout(
    std::optional<double> seconds) {
  if (!seconds) return std::nullopt;
  // Written so that NaN, which compares false with everything, fails too.
  if (*seconds >= 0 && *seconds <= proto::kMaxTimeoutSeconds) return proto::Seconds(*seconds);
  return std::unexpected(
      proto::Error{proto::Errc::invalid_params,
                   fmt::format("the timeout must be a number of seconds from 0 to {:.0f}, not {}",
                               proto::kMaxTimeoutSeconds, *seconds)});
}

TimePoint after(proto::Seconds seconds, TimePoint start) {
  return start + std::chrono::ceil<Clock::duration>(seconds);
}

proto::Seconds left_until(TimePoint deadline) {
  return std::max(proto::Seconds(deadline - Clock::now()), proto::Seconds::zero());
}

}  // namespace locket::client
