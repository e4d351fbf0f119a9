// How much of the daemon one user may have at a time, so that no user takes what others need (C15).
//
// Pure, except that the descriptors of the process are counted. The errors are for people: they
// name the limit, the number and the option that sets it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>

#include "daemon/arbiter.hpp"
#include "proto/errors.hpp"

namespace locketd {

struct UserLimits {
  // Far more than people and their services use, and less than would hurt: a session takes some
  // kilobytes of memory and two descriptors, a claim less than a kilobyte and one descriptor.
  std::size_t sessions = 8'192;
  std::size_t held = 65'536;
  std::size_t waiting = 65'536;
  std::size_t text = 32 * 1024 * 1024;  // 256 bytes for each claim, held or waiting
  std::size_t descriptors = 0;          // 0: seven eighths of what is not kept for others
};

struct UserHas {
  std::size_t sessions = 0;
  Arbiter::Use claims;
  // Calls under way on files: each keeps a descriptor open, even if its claim is gone. A descriptor
  // that is still claimed counts twice.
  std::size_t calls = 0;
  std::size_t ahead = 0;   // descriptors that came before their requests' lines did
  std::size_t parked = 0;  // files that are open for the next claim on them
  [[nodiscard]] std::size_t descriptors() const;
};

// How many descriptors there are for users: all that the daemon may have, except its own.
std::size_t descriptors_for_users();

// The limits for this user, with the automatic descriptor limit as a number: seven eighths of what
// is not kept for others. So a user at that limit leaves an eighth of what was available to others
// (C15).
UserLimits limits_for(const UserHas& has, const UserLimits& limits, std::size_t for_users,
                      std::size_t kept_for_all);

// Whether this user may have one more session, descriptor or claim. Errc::limit_reached if not.
std::expected<void, locket::proto::Error> admits_session(const UserLimits& limits, UserId user,
                                                         const UserHas& has);
std::expected<void, locket::proto::Error> descriptors_left(const UserLimits& limits, UserId user,
                                                           const UserHas& has);
std::expected<void, locket::proto::Error> admits_claim(const UserLimits& limits, UserId user,
                                                       const UserHas& has, const Claim& claim);

// For the whole daemon: the error for a client for which no descriptor is left.
locket::proto::Error out_of_descriptors();

}  // namespace locketd
