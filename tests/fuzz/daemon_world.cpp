#include "tests/fuzz/daemon_world.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "tests/fuzz/fuzzing.hpp"
#include "tests/fuzz/lines.hpp"

namespace locket::fuzz {

using namespace locketd;
using proto::Descriptor;

namespace {

constexpr std::size_t kObserver = DaemonWorld::kClients;

Instant beginning() {
  using namespace std::chrono;
  return {.steady = Monotonic(hours(1)), .wall = sys_days(year(2025) / 6 / 1)};
}

}  // namespace

DaemonWorld::DaemonWorld() : now_(beginning()), dispatch_(*this, kernel_, "/fuzz.sock") {
  kernel_.on_adopt = [this](Ticket ticket, const FileId& file) { adopted(ticket, file); };
  kernel_.on_discard = [this](Ticket ticket) { discarded(ticket); };
}

// ---- Connections, as Session has them ----

// No pid, so that no path is opened for anybody. One client's process cannot be watched.
void DaemonWorld::open(std::size_t client) {
  Client& its = clients_.at(client);
  if (its.session != 0) return;
  its = {};
  its.session = ++last_session_;
  its.connected = true;
  its.peer.uid = ::geteuid();
  if (client != 0) {
    its.peer.process = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  }
  dispatch_.opened(its.session, its.peer);
}

void DaemonWorld::say(std::size_t client, std::string bytes, std::vector<Descriptor> descriptors) {
  Client& its = clients_.at(client);
  if (its.connected) its.inbox.push_back({std::move(bytes), std::move(descriptors)});
}

void DaemonWorld::hear(std::size_t client) {
  Client& its = clients_.at(client);
  while (its.connected && !its.inbox.empty()) receive(its);
}

void DaemonWorld::end_connection(std::size_t client) {
  Client& its = clients_.at(client);
  hear(client);
  if (!its.connected) return;
  its.connected = false;
  if (!dispatch_.outlives_connection(its.session)) return close(its);
  its.unanswered.clear();
  forget_claims(its.session, false);
}

void DaemonWorld::die(std::size_t client) {
  Client& its = clients_.at(client);
  if (its.session != 0) close(its);
}

void DaemonWorld::drain(SessionId session) {
  Client* client = client_of(session);
  if (client != nullptr) hear(static_cast<std::size_t>(client - clients_.data()));
}

void DaemonWorld::receive(Client& client) {
  Message message = std::move(client.inbox.front());
  client.inbox.pop_front();
  client.lines.append(message.bytes);
  std::ranges::move(message.descriptors, std::back_inserter(client.descriptors));
  handle_lines(client);
}

void DaemonWorld::handle_lines(Client& client) {
  for (;;) {
    const auto line = client.lines.next();
    if (!line) return violate(client, line.error());
    if (!*line) break;
    handle(client, **line);
    if (client.session == 0) return;
  }
  if (client.descriptors.size() > (client.lines.partial() ? proto::kMaxDescriptorsAhead : 0)) {
    violate(client, {proto::Errc::invalid_request, "descriptors came that no request takes"});
  }
}

void DaemonWorld::handle(Client& client, std::string_view line) {
  const auto request = proto::decode_request(line);
  if (request && request->id) ++client.unanswered[request->id];
  if (!request && !request.error().notification) ++client.unanswered[request.error().id];
  if (request) {
    if (const auto* release = std::get_if<proto::Release>(&request->call)) {
      std::erase_if(claims_, [&](const auto& claim) {
        return claim.second.session == client.session && claim.second.token != 0 &&
               claim.second.token == release->token;
      });
    } else if (const auto* cancel = std::get_if<proto::Cancel>(&request->call)) {
      std::erase_if(claims_, [&](const auto& claim) {
        return claim.second.session == client.session && claim.second.token != 0 &&
               claim.second.request == cancel->request;
      });
    }
  }
  heard_ = {client.session, request ? &*request : nullptr};
  const auto served = dispatch_.received(client.session, line, client.descriptors);
  heard_ = {};
  if (!served) violate(client, served.error());
}

void DaemonWorld::violate(Client& client, const proto::Error& error) {
  ++client.unanswered[std::nullopt];
  dispatch_.violated(client.session, error);
  close(client);
}

void DaemonWorld::close(Client& client) {
  const SessionId session = std::exchange(client.session, 0);
  client.connected = false;
  forget_claims(session, true);
  dispatch_.closed(session);
  client = {};
}

void DaemonWorld::forget_claims(SessionId session, bool held_too) {
  std::erase_if(claims_, [&](const auto& claim) {
    return claim.second.session == session && (held_too || claim.second.token == 0);
  });
}

DaemonWorld::Client* DaemonWorld::client_of(SessionId session) {
  const auto found = std::ranges::find(clients_, session, &Client::session);
  return found == clients_.end() ? nullptr : &*found;
}

// ---- What comes out ----

void DaemonWorld::send(SessionId session, std::string line) {
  Client* client = client_of(session);
  require(client != nullptr, "a line to a session that has ended");
  const auto reply = proto::decode_reply(without_line_feed(line));
  require(reply.has_value(), "a line that no client reads: " + line);
  if (!client->connected) return;
  if (!std::holds_alternative<proto::Waiting>(reply->answer)) {
    const auto found = client->unanswered.find(reply->id);
    require(found != client->unanswered.end(), "an answer to nothing: " + line);
    if (--found->second == 0) client->unanswered.erase(found);
  }
  std::visit([&](const auto& answer) { answered(*client, reply->id, answer); }, reply->answer);
}

void DaemonWorld::answered(Client& client, const Id& id, const proto::Grant& grant) {
  Claim* claim = claim_of(client.session, id.value());
  require(claim != nullptr && claim->token == 0, "granted what nobody waits for");
  const auto ticket = std::ranges::find_if(claims_, [&](const auto& entry) {
                        return &entry.second == claim;
                      })->first;
  require(kernel_.locked(ticket), "granted without the kernel's lock");
  require(grant.token > last_token_, "a token that is no larger than those before");
  for (const auto& [other, its] : claims_) {
    require(other >= ticket || its.token != 0 || its.file != claim->file, "granted out of turn");
  }
  claim->token = last_token_ = grant.token;
}

// Only the end of a wait is told by these two.
void DaemonWorld::answered(Client& client, const Id& id, const proto::Failure& failure) {
  const bool timed_out = failure.error.code == proto::Errc::timed_out;
  if (!timed_out && failure.error.code != proto::Errc::cancelled) return;
  const Claim* claim = claim_of(client.session, id.value());
  require(claim != nullptr && claim->token == 0, "refused what nobody waits for");
  require(!timed_out || (claim->deadline && *claim->deadline <= now_.steady), "refused too early");
  std::erase_if(claims_, [&](const auto& entry) { return &entry.second == claim; });
}

void DaemonWorld::answered(Client& client, const Id&, const proto::Page& page) {
  if (&client != &clients_[kObserver]) return;
  rows_.insert(rows_.end(), page.rows.begin(), page.rows.end());
  next_rows_ = page.next;
}

void DaemonWorld::adopted(Ticket ticket, const FileId& file) {
  require(heard_.request != nullptr, "a descriptor was adopted that nobody sent");
  const auto* acquire = std::get_if<proto::Acquire>(&heard_.request->call);
  require(acquire != nullptr, "a descriptor was adopted without an acquire");
  Claim claim{.session = heard_.session,
              .request = heard_.request->id.value(),
              .mode = acquire->mode,
              .file = file,
              .deadline = {}};
  if (acquire->timeout) {
    claim.deadline = now_.steady + std::chrono::ceil<std::chrono::nanoseconds>(*acquire->timeout);
  }
  claims_.emplace(ticket, claim);
}

// Nobody loses a lock that it was not known to give up.
void DaemonWorld::discarded(Ticket ticket) {
  const auto found = claims_.find(ticket);
  if (found == claims_.end()) return;
  require(found->second.token == 0, "a lock was taken away");
  claims_.erase(found);
}

DaemonWorld::Claim* DaemonWorld::claim_of(SessionId session, proto::RequestId request) {
  const auto found = std::ranges::find_if(claims_, [&](const auto& claim) {
    return claim.second.session == session && claim.second.request == request;
  });
  return found == claims_.end() ? nullptr : &found->second;
}

// ---- Time and checks ----

void DaemonWorld::pass(std::chrono::nanoseconds steady, std::chrono::nanoseconds wall) {
  now_.steady += steady;
  now_.wall += std::chrono::duration_cast<std::chrono::system_clock::duration>(wall);
}

proto::Token DaemonWorld::some_token(std::size_t which) const {
  if (claims_.empty()) return last_token_;
  return std::next(claims_.begin(), static_cast<long>(which % claims_.size()))->second.token;
}

void DaemonWorld::check() const {
  for (const auto& [ticket, claim] : claims_) {
    require(claim.token == 0 || kernel_.locked(ticket), "a holder without the kernel's lock");
  }
}

void DaemonWorld::rest() {
  constexpr int kEnough = 100'000;
  for (int pass = 0; pass < kEnough; ++pass) {
    settle();
    if (!settle_wanted_) return check();
  }
  require(false, "it never comes to rest");
}

// Everything is said and heard; so whoever has no answer waits, and `list` says the same.
void DaemonWorld::check_list() {
  open(kObserver);
  say(kObserver, proto::encode(proto::Request{1, proto::Hello{proto::kProtocolVersion, {}, {}}}),
      {});
  next_rows_.emplace();
  while (next_rows_) {
    say(kObserver,
        proto::encode(proto::Request{2, proto::List{{}, *std::exchange(next_rows_, {})}}), {});
    hear(kObserver);
    rest();
  }
  for (const proto::Row& row : rows_) {
    const auto claim = claims_.find(row.ticket);
    require(claim != claims_.end(), "a row of somebody who neither holds nor waits");
    require(row.token == claim->second.token, "a row that is wrong about who holds");
    require(row.file == claim->second.file, "a row of another file");
  }
  require(rows_.size() == claims_.size(), "a row is missing, or comes twice");
  for (const Client& client : clients_) {
    const auto waits = std::ranges::count_if(claims_, [&](const auto& claim) {
      return claim.second.session == client.session && claim.second.token == 0;
    });
    std::size_t unanswered = 0;
    for (const auto& [id, count] : client.unanswered) unanswered += count;
    require(unanswered == static_cast<std::size_t>(waits), "a request without an answer");
  }
}

void DaemonWorld::finish() {
  for (std::size_t client = 0; client < kClients; ++client) hear(client);
  rest();
  check_list();
  for (std::size_t client = 0; client <= kClients; ++client) die(client);
  kernel_.no_externals();
  for (rest(); kernel_.attempts() > 0; rest()) kernel_.answer(0, FakeKernel::Whim::none);
  require(kernel_.adopted() == 0, "a descriptor is left");
  require(!dispatch_.next_deadline(), "a deadline is left");
}

}  // namespace locket::fuzz
