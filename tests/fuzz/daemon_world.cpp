#include "tests/fuzz/daemon_world.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "proto/lock_file.hpp"
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

// ---- Connections, as in Session ----

// Without a pid, so that no path is opened for a client. One client's process cannot be watched.
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
  // What it holds by its own word belongs to its process, which lives on.
  forget(its.session, [](const Claim& claim) { return claim.state == Claim::State::waits; });
}

void DaemonWorld::die(std::size_t client) {
  Client& its = clients_.at(client);
  if (its.session != 0) close(its);
}

bool DaemonWorld::drain(SessionId session, std::uint64_t) {
  Client* client = client_of(session);
  if (client != nullptr) hear(static_cast<std::size_t>(client - clients_.data()));
  return true;
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
  } else if (const auto few = dispatch_.came_ahead(client.session, client.descriptors.size());
             !few) {
    violate(client, few.error());
  }
}

void DaemonWorld::handle(Client& client, std::string_view line) {
  const auto request = proto::decode_request(line);
  if (request && request->id) ++client.unanswered[request->id];
  if (!request && !request.error().notification) ++client.unanswered[request.error().id];
  if (request) before(client, *request);
  heard_ = {client.session, request ? &*request : nullptr};
  const auto served = dispatch_.received(client.session, line, client.descriptors);
  heard_ = {};
  if (!served) violate(client, served.error());
}

// What the client gives up, or changes, by sending this.
void DaemonWorld::before(Client& client, const proto::Request& request) {
  if (const auto* release = std::get_if<proto::Release>(&request.call)) {
    forget(client.session,
           [&](const Claim& claim) { return claim.holds() && claim.token == release->token; });
    if (release->park) last_parked_ = release->token;
  } else if (const auto* cancel = std::get_if<proto::Cancel>(&request.call)) {
    forget(client.session,
           [&](const Claim& claim) { return claim.holds() && claim.request == cancel->request; });
  } else if (const auto* hello = std::get_if<proto::Hello>(&request.call)) {
    if (hello->protocol == proto::kProtocolVersion) client.notices = hello->notices;
  }
}

void DaemonWorld::violate(Client& client, const proto::Error& error) {
  require(!client.orderly, "sent away without reason: " + error.message);
  ++client.unanswered[std::nullopt];
  dispatch_.violated(client.session, error);
  close(client);
}

void DaemonWorld::close(Client& client) {
  const SessionId session = std::exchange(client.session, 0);
  client.connected = false;
  forget(session, [](const Claim&) { return true; });
  dispatch_.closed(session);
  client = {};
}

DaemonWorld::Client* DaemonWorld::client_of(SessionId session) {
  const auto found = std::ranges::find(clients_, session, &Client::session);
  return found == clients_.end() ? nullptr : &*found;
}

// ---- What comes out ----

void DaemonWorld::send(SessionId session, std::string_view sent) {
  const std::string line(sent);
  Client* client = client_of(session);
  require(client != nullptr, "a line to a session that has ended");
  const auto reply = proto::decode_reply(without_line_feed(line));
  require(reply.has_value(), "a line that no client reads: " + line);
  if (!client->connected) {
    // The client cannot read this, but now holds what it was coming back to.
    const auto* grant = std::get_if<proto::Grant>(&reply->answer);
    if (grant != nullptr) answered(*client, reply->id, *grant);
    return;
  }
  if (!std::holds_alternative<proto::Waiting>(reply->answer)) {
    const auto found = client->unanswered.find(reply->id);
    require(found != client->unanswered.end(), "an answer to nothing: " + line);
    if (--found->second == 0) client->unanswered.erase(found);
  }
  std::visit([&](const auto& answer) { answered(*client, reply->id, answer); }, reply->answer);
}

void DaemonWorld::answered(Client& client, const Id& id, const proto::Grant& grant) {
  const auto claim = claim_of(client.session, id.value());
  require(claim != claims_.end() && !claim->second.holds(), "granted what nobody waits for");
  auto& [ticket, its] = *claim;
  require(kernel_.locked(ticket), "granted without the kernel's lock");
  if (its.state == Claim::State::returns) {
    require(grant.token == its.token, "not the token of before");
  } else {
    require(grant.token > last_token_, "a token that is no larger than those before");
    its.token = last_token_ = grant.token;
    for (const auto& [other, another] : claims_) {
      const bool first = other < ticket && another.state == Claim::State::waits;
      require(!first || another.file != its.file, "granted out of turn");
    }
  }
  its.state = Claim::State::holds;
}

// Only these end a wait or a return.
void DaemonWorld::answered(Client& client, const Id& id, const proto::Failure& failure) {
  const bool timed_out = failure.error.code == proto::Errc::timed_out;
  const bool lost = failure.error.code == proto::Errc::lost;
  if (!timed_out && !lost && failure.error.code != proto::Errc::cancelled) return;
  const auto claim = claim_of(client.session, id.value());
  require(claim != claims_.end() && !claim->second.holds(), "refused what nobody waits for");
  const auto& deadline = claim->second.deadline;
  require(!timed_out || (deadline && *deadline <= now_.steady), "refused too early");
  require(lost <= (claim->second.state == Claim::State::returns), "lost what was never held");
  claims_.erase(claim);
}

void DaemonWorld::answered(Client& client, const Id& id, const proto::Waiting& waiting) {
  const auto claim = claim_of(client.session, id.value());
  require(claim != claims_.end() && claim->first == waiting.ticket, "notice of what is not there");
  require(claim->second.state == Claim::State::waits, "notice of what does not wait");
  require(client.notices && !std::exchange(claim->second.told, true), "notice that nobody wants");
}

void DaemonWorld::answered(Client& client, const Id&, const proto::Page& page) {
  if (&client != &clients_[kObserver]) return;
  rows_.insert(rows_.end(), page.rows.begin(), page.rows.end());
  next_rows_ = page.next;
}

void DaemonWorld::adopted(Ticket ticket, const FileId& file) {
  require(heard_.request != nullptr, "a descriptor was adopted that nobody sent");
  Claim claim{.session = heard_.session,
              .request = heard_.request->id.value(),
              .file = file,
              .deadline = {}};
  const auto set_deadline = [&](const std::optional<proto::Seconds>& timeout) {
    if (!timeout) return;
    claim.deadline = now_.steady + std::chrono::ceil<std::chrono::nanoseconds>(*timeout);
  };
  if (const auto* acquire = std::get_if<proto::Acquire>(&heard_.request->call)) {
    set_deadline(acquire->timeout);
  } else {
    const auto* reclaim = std::get_if<proto::Reclaim>(&heard_.request->call);
    require(reclaim != nullptr, "a descriptor was adopted without a claim");
    set_deadline(reclaim->timeout);
    claim.token = reclaim->token.value_or(0);
    if (reclaim->token) claim.state = Claim::State::returns;
  }
  claims_.emplace(ticket, claim);
}

// No claim loses a lock unless it was seen to give it up.
void DaemonWorld::discarded(Ticket ticket) {
  const auto found = claims_.find(ticket);
  if (found == claims_.end()) return;
  require(!found->second.holds(), "a lock was taken away");
  claims_.erase(found);
}

DaemonWorld::Claims::iterator DaemonWorld::claim_of(SessionId session, proto::RequestId request) {
  return std::ranges::find_if(claims_, [&](const auto& claim) {
    return claim.second.session == session && claim.second.request == request;
  });
}

bool DaemonWorld::keep(SessionId session, const std::string& lines, const std::vector<int>& files) {
  proto::LineBuffer buffer(proto::kMaxLineBytes);
  buffer.append(lines);
  std::size_t reclaims = 0;
  for (auto line = buffer.next(); line && *line; line = buffer.next()) {
    const auto request = proto::decode_request(**line);
    require(request.has_value(), "kept what no daemon reads");
    const auto* reclaim = std::get_if<proto::Reclaim>(&request->call);
    if (reclaim == nullptr) continue;
    require(reclaims < files.size(), "kept a lock without its file");
    const auto claim = claims_.find(reclaim->ticket);
    require(claim != claims_.end() && claim->second.session == session && claim->second.holds() &&
                claim->second.token == reclaim->token &&
                proto::identify(files[reclaims++]) == claim->second.file,
            "kept a lock that it has not");
  }
  require(!buffer.partial(), "kept half a line");
  const auto held = std::ranges::count_if(claims_, [&](const auto& claim) {
    return claim.second.session == session && claim.second.holds();
  });
  require(reclaims == static_cast<std::size_t>(held), "kept not all that it holds");
  return true;
}

// ---- Time and checks ----

void DaemonWorld::recover() {
  dispatch_.recover_until(now_.steady + std::chrono::milliseconds(250));
}

void DaemonWorld::pass(std::chrono::nanoseconds steady, std::chrono::nanoseconds wall) {
  now_.steady += steady;
  now_.wall += std::chrono::duration_cast<std::chrono::system_clock::duration>(wall);
}

proto::Token DaemonWorld::some_token(std::size_t which) const {
  if (claims_.empty()) return last_token_;
  return std::next(claims_.begin(), static_cast<long>(which % claims_.size()))->second.token;
}

proto::Ticket DaemonWorld::some_ticket(std::size_t which) const {
  if (claims_.empty()) return which;
  return std::next(claims_.begin(), static_cast<long>(which % claims_.size()))->first;
}

void DaemonWorld::check() const {
  for (const auto& [ticket, claim] : claims_) {
    require(!claim.holds() || kernel_.locked(ticket), "a holder without the kernel's lock");
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

// All has been sent and read. So every request without an answer waits, and `list` must say so.
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
    const bool holds = row.state == proto::Row::State::held;
    require(holds == claim->second.holds(), "a row that is wrong about who holds");
    require(row.token == claim->second.token, "a row with another token");
    require(row.file == claim->second.file, "a row of another file");
  }
  // Claims that the kernel is still being asked about are not listed yet.
  const auto returning = std::ranges::count_if(
      claims_, [](const auto& claim) { return claim.second.state == Claim::State::returns; });
  require(rows_.size() + static_cast<std::size_t>(returning) == claims_.size(),
          "a row is missing, or comes twice");
  for (const Client& client : clients_) {
    if (!client.connected) continue;
    const auto waits = std::ranges::count_if(claims_, [&](const auto& claim) {
      return claim.second.session == client.session && !claim.second.holds();
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
  // Reaches the recovery's end, which is put off a few times if a step is this long.
  for (int late = 0; late < 8; ++late, rest()) pass(std::chrono::seconds(1), {});
  for (rest(); kernel_.attempts() > 0; rest()) kernel_.answer(0, FakeKernel::Whim::none);
  require(kernel_.adopted() == 0, "a descriptor is left");
  require(!dispatch_.next_deadline(), "a deadline is left");
}

}  // namespace locket::fuzz
