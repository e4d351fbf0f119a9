// What one user may have of the daemon's at a time, so that nobody uses up what others need (C15).
//
// Pure. The errors are for people: they name the limit, the number and the option that sets it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>

#include "daemon/arbiter.hpp"
#include "proto/errors.hpp"

namespace locketd {

struct UserLimits {
  // Far more than people and their services have, and less than would hurt: a session takes some
  // kilobytes of memory and two descriptors, a claim less than a kilobyte and one descriptor.
  std::size_t sessions = 8'192;
  std::size_t held = 65'536;
  std::size_t waiting = 65'536;
  std::size_t text = 32 * 1024 * 1024;  // 256 bytes for each of as many of both
  std::size_t descriptors = 0;          // 0: seven eighths of what is not kept for others
};

struct UserHas {
  std::size_t sessions = 0;
  Arbiter::Use claims;
  // Under way on files: each keeps a descriptor, also when its claim is gone. One that is still
  // claimed counts twice.
  std::size_t calls = 0;
  std::size_t ahead = 0;   // descriptors that came before their requests' lines did
  std::size_t parked = 0;  // files that are open for the next claim on them
  [[nodiscard]] std::size_t descriptors() const;
};

// How many descriptors there are for users: all that the daemon may have, but for its own.
std::size_t descriptors_for_users();

// The limits for this user, with that put in numbers: seven eighths of what is not kept for others.
// So whoever has as much as he may leaves an eighth of what he found to those who come (C15).
UserLimits limits_for(const UserHas& has, const UserLimits& limits, std::size_t for_users,
                      std::size_t kept_for_all);

// May this user have one session, or one claim, more? Errc::limit_reached where not.
std::expected<void, locket::proto::Error> admits_session(const UserLimits& limits, UserId user,
                                                         const UserHas& has);
std::expected<void, locket::proto::Error> descriptors_left(const UserLimits& limits, UserId user,
                                                           const UserHas& has);
std::expected<void, locket::proto::Error> admits_claim(const UserLimits& limits, UserId user,
                                                       const UserHas& has, const Claim& claim);

// For the whole daemon: what to say to somebody for whom there is no descriptor left.
locket::proto::Error out_of_descriptors();

}  // namespace locketd
