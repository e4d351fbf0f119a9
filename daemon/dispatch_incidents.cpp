// Part of dispatch.hpp: what is logged about clients.

#include <utility>
#include <variant>

#include "daemon/dispatch.hpp"
#include "daemon/log.hpp"
#include "proto/codec.hpp"

namespace locketd {

namespace proto = locket::proto;
using proto::Errc;
using Kind = Incident::Kind;
using log::Level;

namespace {

std::string_view path_of(const proto::Call& call) {
  if (const auto* acquire = std::get_if<proto::Acquire>(&call)) return acquire->path;
  if (const auto* reclaim = std::get_if<proto::Reclaim>(&call)) return reclaim->path;
  return {};
}

}  // namespace

void Dispatch::tell(Level level, const Incident& incident) {
  incidents_.tell(sessions_.now().steady, level, incident);
}

void Dispatch::violated(SessionId session, const proto::Error& error) {
  giving_up(session, error.message);
  reply(session, std::nullopt, proto::Failure{error, {}});
}

void Dispatch::giving_up(SessionId session, std::string_view why) {
  const Peer& peer = *clients_.at(session).peer;
  tell(Level::warning, {Kind::session_ended, peer.pid, peer.uid, {}, why});
}

// `not_held` is no news: a release may cross the end of what it releases. Nor is `not_parked`: the
// client passes the descriptor next.
void Dispatch::tell_refusal(const Client& client, const Request& request,
                            const proto::Error& error) {
  const bool news = error.code != Errc::not_held && error.code != Errc::not_parked;
  const auto level = news ? Level::warning : Level::debug;
  tell(level, {Kind::request_refused, client.peer->pid, client.peer->uid, path_of(request.call),
               error.message});
}

// A wait that ends is no incident: that is what timeouts are for.
void Dispatch::tell_refusal(const Client& client, const Refused& event, const proto::Error& error) {
  const bool lost = event.cause.why == Refused::Why::lost;
  const Incident incident{lost ? Kind::lock_lost : Kind::request_refused, client.peer->pid,
                          client.peer->uid, event.entry.claim.path, error.message};
  if (lost) {
    incidents_.tell_later(sessions_.now().steady, client.session, event.entry.token, incident);
    return;
  }
  const bool failed = event.cause.why == Refused::Why::os_failed;
  tell(failed ? Level::warning : Level::debug, incident);
}

// A command that `locketctl run` became releases its lock by ending, so that is worth debug level
// only.
void Dispatch::tell_taken(const Client& client) {
  const auto level = client.detached ? Level::debug : Level::info;
  if (!log::enabled(level) || arbiter_.claim_count(client.session) == 0) return;
  const auto why = has_ended(*client.peer) ? "its process has ended" : "its session has ended";
  arbiter_.visit_session(client.session, [&](const Entry& entry) {
    if (!entry.held) return;
    tell(level, {Kind::lock_taken_away, client.peer->pid, client.peer->uid, entry.claim.path, why});
  });
}

void Dispatch::tell_superseded(SessionId kept, Ticket ticket) {
  const Peer& peer = *clients_.at(kept).peer;
  arbiter_.visit_session(kept, [&](const Entry& entry) {
    if (entry.ticket != ticket) return;
    tell(Level::info, {Kind::kept_session_dropped, peer.pid, peer.uid, entry.claim.path,
                       "its process has come back by itself"});
  });
}

}  // namespace locketd
