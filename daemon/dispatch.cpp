#include "daemon/dispatch.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/log.hpp"
#include "daemon/requested_file.hpp"
#include "proto/limits.hpp"
#include "proto/lock_file.hpp"
#include "proto/text.hpp"
#include "proto/version.hpp"

namespace locketd {

namespace proto = locket::proto;
using proto::Descriptor;
using proto::Errc;
using proto::Error;

namespace {

std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

// Unanswered lists of one session. Lists are answered one per pass, so they could pile up.
constexpr std::size_t kMaxPendingLists = 64;

// Rounded up: never early (C3).
std::chrono::nanoseconds nanoseconds_of(proto::Seconds timeout) {
  return std::chrono::ceil<std::chrono::nanoseconds>(timeout);
}

std::unexpected<Error> no_id(const proto::Request& request) {
  return fail(Errc::invalid_request,
              fmt::format("\"{}\" needs an \"id\"", proto::method_of(request.call)));
}

std::unexpected<Error> id_in_use(RequestId id) {
  return fail(Errc::invalid_request,
              fmt::format("the id {} is in use: its lock is held or waited for", id));
}

Claim claim_of(const proto::Acquire& acquire) {
  Claim claim{.mode = acquire.mode, .path = acquire.path, .reason = acquire.reason};
  if (acquire.timeout) claim.timeout = nanoseconds_of(*acquire.timeout);
  return claim;
}

}  // namespace

Dispatch::Dispatch(Sessions& sessions, OsLocks& os_locks, std::string socket_path,
                   UserLimits limits)
    : sessions_(sessions),
      os_locks_(os_locks),
      socket_path_(std::move(socket_path)),
      limits_(limits),
      descriptors_for_users_(descriptors_for_users()),
      started_(sessions.now()) {
  os_locks_.report_to([this](Ticket ticket, OsResult result, int error) {
    arbiter_.os_result(sessions_.now(), ticket, result, error);
  });
}

void Dispatch::opened(SessionId session, const Peer& peer, bool kept) {
  if (kept) opened_kept(session, peer.uid);
  clients_[session] = {.session = session, .peer = &peer, .stated_command = {}};
  ++users_[peer.uid].sessions;
  log::debug("session {}: opened by pid {}, uid {}", session, peer.pid, peer.uid);
}

std::expected<void, Error> Dispatch::received(SessionId session, std::string_view line,
                                              proto::Descriptors& descriptors) {
  const UserId user = clients_.at(session).peer->uid;
  if (!descriptors.empty() && os_locks_.may_hang(user)) {
    // Ends the session. If only requests were refused, descriptors would keep coming, and closing
    // them hangs.
    const UserHas has = make_room(user);
    if (auto few = descriptors_left(limits_for(has), user, has); !few) return few;
  }
  const auto request = proto::decode_request(line);
  if (!request) {
    const auto& bad = request.error();
    if (bad.claim) dispose_first(session, descriptors);
    if (!bad.notification) reply(session, bad.id, proto::Failure{bad.error, {}});
    if (!bad.claim && !descriptors.empty()) {
      return fail(Errc::invalid_request,
                  "a descriptor came with a line of which it is not known what it was meant to be");
    }
    Client& client = clients_.at(session);
    tell_refusal(client, Request{}, bad.error);
    const bool is_request =
        bad.error.code != Errc::parse_error && bad.error.code != Errc::invalid_request;
    client.mistakes = is_request ? 0 : client.mistakes + 1;
    if (client.mistakes < proto::kMaxMistakes) return {};
    return fail(Errc::invalid_request,
                fmt::format("{} lines in a row were not requests", proto::kMaxMistakes));
  }
  clients_.at(session).mistakes = 0;
  const auto outcome = serve(clients_.at(session), *request, descriptors);
  pump();
  to_park_.reset();
  if (outcome) return {};
  tell_refusal(clients_.at(session), *request, outcome.error());
  // Notifications get no answer, says JSON-RPC 2.0, section 4.1.
  if (request->id) reply(session, request->id, proto::Failure{outcome.error(), {}});
  return {};
}

void Dispatch::closed(SessionId session) {
  const auto client = clients_.find(session);
  tell_taken(client->second);
  std::ignore = came_ahead(session, 0);
  unpark_all(client->second);
  if (const auto user = users_.find(client->second.peer->uid); --user->second.sessions == 0) {
    users_.erase(user);
  }
  give_share_back(client->second);
  clients_.erase(client);
  kept_.erase(session);
  to_keep_.erase(session);
  put_off_.erase(session);
  lists_.erase(session);
  openings_.forget(session);
  arbiter_.disconnect(session);
  pump();
  log::debug("session {}: closed", session);
}

bool Dispatch::outlives_connection(SessionId session) {
  Client& client = clients_.at(session);
  if (!client.detached) return false;
  unpark_all(client);
  lists_.erase(session);
  openings_.forget(session);
  arbiter_.stop_waiting(session);
  pump();
  return true;
}

void Dispatch::attend() {
  const auto now = sessions_.now().steady;
  see_to_time(now);
  if (arbiter_.has_due(now) || !lists_.empty()) sessions_.settle_later();
}

void Dispatch::see_to_time(Monotonic now) {
  pump();  // what the OS locks reported from outside of any request
  end_recovery_in_time(now);
  keep_one();
  incidents_.see_to_time(now);
}

std::optional<Monotonic> Dispatch::next_deadline() const {
  auto next = arbiter_.next_deadline();
  for (const auto other : {recovery_end_, incidents_.next_deadline()}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
}

Dispatch::Outcome Dispatch::serve(Client& client, const Request& request,
                                  Descriptors& descriptors) {
  if (!client.greeted && !std::holds_alternative<proto::Hello>(request.call)) {
    if (proto::takes_descriptor(request.call)) dispose_first(client.session, descriptors);
    return fail(Errc::invalid_request,
                fmt::format("the first request must be \"hello\" with \"protocol\": {}",
                            proto::kProtocolVersion));
  }
  return std::visit([&](const auto& call) { return handle(client, request, call, descriptors); },
                    request.call);
}

Dispatch::Outcome Dispatch::handle(Client& client, const Request& request,
                                   const proto::Hello& hello, Descriptors&) {
  if (hello.protocol != proto::kProtocolVersion) {
    const Error error{Errc::unsupported_protocol,
                      fmt::format("this is locketd {}, which speaks protocol {}, not {}",
                                  proto::kVersion, proto::kProtocolVersion, hello.protocol)};
    tell_refusal(client, request, error);
    if (!request.id) return {};
    reply(client.session, request.id, proto::Failure{error, {}, proto::kProtocolVersion});
    return {};
  }
  client.greeted = true;
  client.stated_command = hello.command;
  client.notices = hello.notices;
  if (!request.id) return {};
  reply(client.session, request.id,
        proto::Welcome{proto::kProtocolVersion, fmt::format("locketd/{}", proto::kVersion),
                       ::getpid(), proto::kMaxParkedFiles});
  return {};
}

Dispatch::Outcome Dispatch::handle(Client& client, const Request& request,
                                   const proto::Acquire& acquire, Descriptors& descriptors) {
  if (acquire.parked) {
    auto parked = take_parked(client, *acquire.parked);
    if (!parked) {
      return fail(Errc::not_parked,
                  fmt::format("no file is parked under {}: pass its descriptor", *acquire.parked));
    }
    return enter(client, request, std::move(*parked), claim_of(acquire), std::nullopt);
  }
  if (descriptors.empty()) return open(client, request, acquire);
  auto file = take_passed_file(descriptors);
  if (!file) return std::unexpected(std::move(file.error()));
  return enter(client, request, {std::move(*file), {}, client.peer->uid}, claim_of(acquire),
               std::nullopt);
}

// For a request that came with a path alone.
Dispatch::Outcome Dispatch::open(Client& client, const Request& request,
                                 const proto::Acquire& acquire) {
  const auto path = path_to_open(*client.peer, acquire);
  if (!path) return std::unexpected(path.error());
  if (!request.id) return no_id(request);
  if (openings_.size() == proto::kMaxRequestsPerSession) {
    return fail(Errc::limit_reached,
                fmt::format("{} files are being opened for user {} already, which is the limit",
                            openings_.size(), client.peer->uid));
  }
  const auto number = openings_.begin(client.session, *request.id);
  if (!number) return id_in_use(*request.id);
  os_locks_.open(*path, client.peer->uid,
                 [this, session = client.session, user = client.peer->uid, request,
                  number = *number, asked = sessions_.now().steady](auto file) {
                   if (openings_.end(session, *request.id, number)) {
                     file_opened(clients_.at(session), request, asked, std::move(file));
                   } else if (file) {
                     os_locks_.dispose(std::move(*file), user);
                   }
                 });
  return {};
}

void Dispatch::file_opened(Client& client, const Request& request, Monotonic asked,
                           std::expected<Descriptor, Error> file) {
  Outcome outcome;
  if (file) {
    Claim claim = claim_of(std::get<proto::Acquire>(request.call));
    if (claim.timeout) {
      const std::chrono::nanoseconds taken = sessions_.now().steady - asked;
      claim.timeout = std::max(*claim.timeout - taken, std::chrono::nanoseconds(0));
    }
    outcome = enter(client, request, {std::move(*file), {}, client.peer->uid}, std::move(claim),
                    std::nullopt);
  } else {
    outcome = std::unexpected(std::move(file.error()));
  }
  if (outcome) return;
  tell_refusal(client, request, outcome.error());
  reply(client.session, request.id, proto::Failure{outcome.error(), {}});
}

Dispatch::Outcome Dispatch::handle(Client& client, const Request& request,
                                   const proto::Reclaim& reclaim, Descriptors& descriptors) {
  if (descriptors.empty()) {
    return fail(Errc::invalid_params,
                "\"reclaim\" needs the descriptor that the lock was asked for with");
  }
  auto file = take_passed_file(descriptors);
  if (!file) return std::unexpected(std::move(file.error()));
  client.reclaimed |= reclaim.token.has_value();
  Claim claim{.mode = reclaim.mode, .path = reclaim.path, .reason = reclaim.reason};
  if (reclaim.timeout) claim.timeout = nanoseconds_of(*reclaim.timeout);
  extend_recovery();
  return enter(client, request, {std::move(*file), {}, client.peer->uid}, std::move(claim),
               Former{reclaim.ticket, reclaim.token, nanoseconds_of(reclaim.age)});
}

Dispatch::Outcome Dispatch::enter(Client& client, const Request& request, PassedFile file,
                                  Claim claim, const std::optional<Former>& former) {
  auto outcome = admit(client, request, file, std::move(claim), former);
  // On success admit() has taken the file. NOLINTNEXTLINE(clang-analyzer-cplusplus.Move)
  if (!outcome) os_locks_.dispose(std::move(file.descriptor), client.peer->uid);
  return outcome;
}

// Hands the claim to the arbiter, and its descriptor to the OS locks.
Dispatch::Outcome Dispatch::admit(Client& client, const Request& request, PassedFile& file,
                                  Claim claim, const std::optional<Former>& former) {
  if (!request.id) return no_id(request);
  if (openings_.has(client.session, *request.id)) return id_in_use(*request.id);
  if (arbiter_.claim_count(client.session) >= proto::kMaxRequestsPerSession) {
    return fail(Errc::limit_reached,
                fmt::format("this session holds or waits for {} locks, which is the limit",
                            proto::kMaxRequestsPerSession));
  }
  const UserId user = client.peer->uid;
  const UserHas has = make_room(user);
  if (auto few = admits_claim(limits_for(has), user, has, claim); !few) {
    return std::unexpected(std::move(few.error()));
  }
  if (!file.local) {
    const auto location = proto::locate(file.descriptor.get());
    if (!location) {
      return fail(Errc::bad_file,
                  fmt::format("cannot lock {}: {}", claim.path, location.error().message));
    }
    file.location = *location;
  }
  claim.session = client.session;
  claim.user = user;
  claim.request = *request.id;
  claim.file = file.location.file;
  log::debug("session {}: {}s {} ({})", client.session, proto::method_of(request.call), claim.path,
             proto::name_of(claim.mode));
  const auto ticket = former ? arbiter_.reclaim(sessions_.now(), std::move(claim), *former)
                             : arbiter_.acquire(sessions_.now(), std::move(claim));
  if (!ticket && former && former->token && arbiter_.uses(client.session, *former->token)) {
    return fail(Errc::invalid_request,
                fmt::format("this session has the token {} already", *former->token));
  }
  if (!ticket) return id_in_use(*request.id);
  // In time: the arbiter's events about this ticket are performed later, by pump().
  os_locks_.adopt(*ticket, std::move(file));
  return {};
}

void Dispatch::dispose(SessionId session, Descriptors& descriptors) {
  while (!descriptors.empty()) dispose_first(session, descriptors);
}

void Dispatch::dispose_first(SessionId session, Descriptors& descriptors) {
  if (descriptors.empty()) return;
  os_locks_.dispose(std::move(descriptors.front()), clients_.at(session).peer->uid);
  descriptors.erase(descriptors.begin());
}

Dispatch::Outcome Dispatch::handle(Client& client, const Request& request,
                                   const proto::Release& release, Descriptors&) {
  const auto ticket = arbiter_.release(client.session, release.token);
  if (!ticket) {
    incidents_.released(client.session, release.token);
    return fail(
        Errc::not_held,
        fmt::format("cannot release unlocked lock: this session holds no token {}", release.token));
  }
  log::debug("session {}: releases {}", client.session, release.token);
  if (release.park && !client.detached) to_park_ = {*ticket, client.session, release.token};
  if (client.detached) keep_later(client);  // its exec has not happened, and it holds less now
  acknowledge(client, request);
  return {};
}

Dispatch::Outcome Dispatch::handle(Client& client, const Request& request,
                                   const proto::Cancel& cancel, Descriptors&) {
  if (openings_.cancel(client.session, cancel.request)) {
    reply(client.session, cancel.request,
          proto::Failure{{Errc::cancelled, "the request was cancelled"}, {}});
  } else if (!arbiter_.cancel(client.session, cancel.request)) {
    return fail(Errc::not_held,
                fmt::format("no lock is held or waited for by the id {}", cancel.request));
  }
  acknowledge(client, request);
  return {};
}

Dispatch::Outcome Dispatch::handle(Client& client, const Request& request,
                                   const proto::Detach& detach, Descriptors&) {
  if (!client.peer->process) {
    return fail(Errc::not_permitted,
                "the kernel does not let locketd watch this process (no pidfd)");
  }
  client.detached = true;
  if (!detach.command.empty()) client.stated_command = detach.command;
  keep_later(client);
  acknowledge(client, request);
  return {};
}

Dispatch::Outcome Dispatch::handle(Client& client, const Request& request, const proto::List& list,
                                   Descriptors&) {
  if (!request.id) return {};
  if (lists_[client.session].size() == kMaxPendingLists) {
    return fail(
        Errc::limit_reached,
        fmt::format("{} lists are asked for already: read their answers first", kMaxPendingLists));
  }
  lists_[client.session].push_back({++last_list_, *request.id, list});
  fresh_list_ |= list.after.lock == 0;
  return {};
}

void Dispatch::pump() {
  while (const auto event = arbiter_.next_event()) {
    std::visit([this](const auto& what) { perform(what); }, *event);
  }
}

}  // namespace locketd
