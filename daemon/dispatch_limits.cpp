// Part of dispatch.hpp: what each user has, and whether the user may have more.

#include "daemon/dispatch.hpp"

namespace locketd {

using locket::proto::Error;

namespace {

// At most this many parked files are closed per request: each close takes 2 µs, and there may be
// thousands after the limit fell (C15).
constexpr std::size_t kMostUnparked = 64;

}  // namespace

std::expected<void, Error> Dispatch::admits(const Peer& peer) {
  const UserHas has = make_room(peer.uid);
  return admits_session(limits_for(has), peer.uid, has);
}

UserHas Dispatch::make_room(UserId user) {
  UserHas has = what_has(user);
  const std::size_t limit = limits_for(has).descriptors;
  for (std::size_t i = 0; i < kMostUnparked && has.parked > 0 && has.descriptors() >= limit; ++i) {
    unpark_one(users_.at(user));
    --has.parked;
  }
  return has;
}

UserHas Dispatch::what_has(UserId user) const {
  const auto found = users_.find(user);
  static const Presence kNone;
  const Presence& is = found == users_.end() ? kNone : found->second;
  return {is.sessions, arbiter_.use_of(user), os_locks_.calls_pending(user), is.ahead, is.parked};
}

UserLimits Dispatch::limits_for(const UserHas& has) const {
  const auto counts = arbiter_.counts();
  const UserHas all{clients_.size(),
                    {.held = counts.holders, .waiting = counts.waiters},
                    os_locks_.calls_pending(),
                    ahead_,
                    parked_};
  return locketd::limits_for(has, limits_, descriptors_for_users_, all.descriptors());
}

// A single early descriptor is not checked: any claim may bring one.
std::expected<void, Error> Dispatch::came_ahead(SessionId session, std::size_t descriptors) {
  Client& client = clients_.at(session);
  if (client.ahead == descriptors) return {};
  Presence& user = users_.at(client.peer->uid);
  user.ahead += descriptors - client.ahead;
  ahead_ += descriptors - client.ahead;
  client.ahead = descriptors;
  if (descriptors <= 1) return {};
  const UserHas has = make_room(client.peer->uid);
  return descriptors_left(limits_for(has), client.peer->uid, has);
}

}  // namespace locketd
