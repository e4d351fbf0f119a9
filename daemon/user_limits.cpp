#include "daemon/user_limits.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "daemon/descriptor_use.hpp"

namespace locketd {
namespace {

using locket::proto::Errc;
using locket::proto::Error;
using Outcome = std::expected<void, Error>;

constexpr std::size_t kDescriptorsOfSession = 2;  // its socket, and the pidfd
// The daemon's own: three standard streams, what the loop waits with, the listener; and what is
// open for a moment, such as a connection that is refused.
constexpr std::size_t kOwnDescriptors = 24;

Outcome below(std::size_t limit, std::size_t has, UserId user, std::string_view what,
              std::string_view option) {
  if (has < limit) return {};
  return std::unexpected(Error{Errc::limit_reached,
                               fmt::format("user {} {} {}, which is the limit of this locketd ({})",
                                           user, what, has, option)});
}

Outcome text_left(std::size_t limit, std::size_t has, UserId user, std::size_t more) {
  if (has <= limit && more <= limit - has) return {};
  return std::unexpected(Error{
      Errc::limit_reached,
      fmt::format("user {} has {} bytes of paths and reasons in locks held and waited for, and "
                  "with {} more passes the limit of this locketd, {} (--max-text-per-user)",
                  user, has, more, limit)});
}

}  // namespace

std::size_t UserHas::descriptors() const {
  return kDescriptorsOfSession * sessions + claims.held + claims.waiting + calls + ahead + parked;
}

std::size_t descriptors_for_users() {
  const std::size_t all = descriptor_limit();
  return all - std::min(all, kOwnDescriptors);
}

UserLimits limits_for(const UserHas& has, const UserLimits& limits, std::size_t for_users,
                      std::size_t kept_for_all) {
  UserLimits its = limits;
  // A call may have ended after this user's calls were counted and before all were.
  const std::size_t others = kept_for_all - std::min(kept_for_all, has.descriptors());
  const std::size_t rest = for_users - std::min(for_users, others);
  if (its.descriptors == 0) its.descriptors = rest - (rest + 7) / 8;
  return its;
}

Outcome descriptors_left(const UserLimits& limits, UserId user, const UserHas& has) {
  return below(limits.descriptors, has.descriptors(), user,
               "makes it keep descriptors:", "--max-descriptors-per-user");
}

Outcome admits_session(const UserLimits& limits, UserId user, const UserHas& has) {
  if (auto few =
          below(limits.sessions, has.sessions, user, "has sessions:", "--max-sessions-per-user");
      !few) {
    return few;
  }
  return descriptors_left(limits, user, has);
}

Outcome admits_claim(const UserLimits& limits, UserId user, const UserHas& has,
                     const Claim& claim) {
  if (auto few = below(limits.held, has.claims.held, user, "holds locks:", "--max-held-per-user");
      !few) {
    return few;
  }
  if (auto few = below(limits.waiting, has.claims.waiting, user,
                       "waits for locks:", "--max-waiting-per-user");
      !few) {
    return few;
  }
  if (auto few = text_left(limits.text, has.claims.text, user, claim.text_bytes()); !few) {
    return few;
  }
  return descriptors_left(limits, user, has);
}

Error out_of_descriptors() {
  return {Errc::limit_reached,
          fmt::format("locketd has no descriptor left: {} of {} are open; raise its limit "
                      "(LimitNOFILE= in its unit, or ulimit -n)",
                      descriptors_open(), descriptor_limit())};
}

}  // namespace locketd
