#include "client/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "client/channel.hpp"
#include "client/program_name.hpp"
#include "client/socket_search.hpp"
#include "proto/codec.hpp"
#include "proto/limits.hpp"
#include "proto/version.hpp"

namespace locket::client {
namespace {

using proto::Errc;
using proto::Error;

Error lost(std::string_view why) {
  return {Errc::connection_lost, fmt::format("the connection to locketd is lost: {}", why)};
}

proto::Hello hello() {
  return {proto::kProtocolVersion, fmt::format("liblocket {}", proto::kVersion), program_name()};
}

}  // namespace

// Where a call waits for its answer. The connection knows it until it is answered, under the mutex.
struct Pending::Slot {
  proto::RequestId id = 0;
  std::optional<proto::Answer> answer;
  bool waiting = false;  // somebody is in wait()
  std::condition_variable wake;
};

Pending::Pending(Connection& connection, std::unique_ptr<Slot> slot, SessionId session)
    : connection_(&connection), slot_(std::move(slot)), session_(session) {}

Pending::Pending() noexcept = default;
Pending::Pending(Pending&&) noexcept = default;

Pending& Pending::operator=(Pending&& other) noexcept {
  if (this == &other) return *this;
  if (slot_) connection_->abandon(*slot_);
  connection_ = other.connection_;
  slot_ = std::move(other.slot_);
  session_ = other.session_;
  return *this;
}

Pending::~Pending() {
  if (slot_) connection_->abandon(*slot_);
}

std::optional<proto::Answer> Pending::wait(TimePoint until) {
  auto answer = connection_->wait(*slot_, until);
  if (answer) slot_.reset();
  return answer;
}

Connection::Connection(Sockets sockets) : sockets_(std::move(sockets)) {}
Connection::~Connection() = default;

// ---- Calls ----

std::expected<Pending, Error> Connection::start(const proto::Call& call, int descriptor,
                                                TimePoint until) {
  auto slot = std::make_unique<Pending::Slot>();
  UniqueLock lock(mutex_);
  for (;;) {
    const bool fresh = channel_ == nullptr;
    if (auto connected = ensure_connected(lock, until); !connected) {
      return std::unexpected(connected.error());
    }
    slot->id = ++last_id_;
    pending_.emplace(slot->id, slot.get());
    auto sent = send(proto::encode(proto::Request{slot->id, call}), slot->id, descriptor);
    if (sent) return Pending(*this, std::move(slot), session_);
    pending_.erase(slot->id);
    slot->answer.reset();
    // A connection that was made earlier may have ended unnoticed, when nobody waited on it.
    // Nothing of this call went out then, so that a new one may take it.
    if (fresh || sent.error().code != Errc::connection_lost) return std::unexpected(sent.error());
  }
}

std::expected<proto::Answer, Error> Connection::call(const proto::Call& call, TimePoint until) {
  auto pending = start(call, -1, until);
  if (!pending) return std::unexpected(pending.error());
  auto answer = pending->wait(until);
  if (!answer) return std::unexpected(Error{Errc::no_daemon, "locketd does not answer"});
  if (auto* failure = std::get_if<proto::Failure>(&*answer)) {
    return std::unexpected(std::move(failure->error));
  }
  return std::move(*answer);
}

void Connection::notify(SessionId session, const proto::Call& call) {
  const std::string line = proto::encode(proto::Request{std::nullopt, call});
  const UniqueLock lock(mutex_);
  if (channel_ != nullptr && session == session_) std::ignore = send(line, 0, -1);
}

std::int64_t Connection::daemon_pid() {
  const UniqueLock lock(mutex_);
  return daemon_pid_;
}

void Connection::abandon(Pending::Slot& slot) {
  const UniqueLock lock(mutex_);
  // Answered meanwhile? Then only a grant is left to give back.
  if (slot.answer && !std::holds_alternative<proto::Grant>(*slot.answer)) return;
  pending_.erase(slot.id);
  if (channel_ == nullptr || channel_->withdraw(slot.id)) return;
  std::ignore = send(proto::encode(proto::Request{std::nullopt, proto::Cancel{slot.id}}), 0, -1);
}

// ---- Waiting: leader and followers ----

// Comes and goes with a thread in wait(), and keeps invariant 2 however that thread leaves.
class Connection::Attendance {
 public:
  Attendance(Connection& connection, Pending::Slot& slot) : connection_(connection), slot_(slot) {
    slot_.waiting = true;
  }
  ~Attendance() {
    slot_.waiting = false;
    if (connection_.leader_ == &slot_) connection_.leader_ = nullptr;
    if (connection_.leader_ == nullptr) connection_.promote();
  }
  Attendance(const Attendance&) = delete;
  Attendance& operator=(const Attendance&) = delete;

 private:
  Connection& connection_;
  Pending::Slot& slot_;
};

std::optional<proto::Answer> Connection::wait(Pending::Slot& slot, TimePoint until) {
  UniqueLock lock(mutex_);
  const Attendance attendance(*this, slot);
  while (!slot.answer) {
    if (leader_ == nullptr) leader_ = &slot;
    if (leader_ == &slot) {
      read_for_all(lock, until);
    } else if (until == kNever) {
      slot.wake.wait(lock);
    } else {
      slot.wake.wait_until(lock, until);
    }
    if (Clock::now() >= until) break;
  }
  return std::exchange(slot.answer, std::nullopt);
}

// The leader's turn: sleeps until the daemon sends something, and hands it out.
void Connection::read_for_all(UniqueLock& lock, TimePoint until) {
  const auto channel = channel_;  // there while anybody is unanswered
  const bool to_write = channel->has_unsent();
  lock.unlock();
  channel->wait(until, to_write);
  lock.lock();
  if (channel == channel_) flush();
  if (channel == channel_) receive();
}

// Wakes the follower that waits longest, to lead.
void Connection::promote() {
  for (const auto& [id, slot] : pending_) {
    if (!slot->waiting) continue;
    slot->wake.notify_one();
    return;
  }
}

// ---- What the daemon says ----

void Connection::receive() {
  if (auto end = read_and_deliver()) break_off(std::move(*end));
}

// Reads all that is there. An error is why the connection must end: the daemon has ended it, or
// makes no sense.
std::optional<Error> Connection::read_and_deliver() {
  for (;;) {
    const auto intake = channel_->receive();
    if (!intake) return lost(std::strerror(intake.error().os_error));
    for (;;) {
      const auto line = channel_->next_line();
      if (!line) return lost(line.error().message);
      if (!*line) break;
      auto reply = proto::decode_reply(**line);
      if (!reply) return lost(reply.error().message);
      if (auto end = deliver(std::move(*reply))) return end;
    }
    if (*intake == Channel::Intake::none) return std::nullopt;
    if (*intake == Channel::Intake::closed) return complaint_.value_or(lost("locketd closed it"));
  }
}

std::optional<Error> Connection::deliver(proto::Reply reply) {
  auto* failure = std::get_if<proto::Failure>(&reply.answer);
  if (!reply.id) {
    // About no request of ours that it could read. It says why it hangs up when it does.
    if (failure != nullptr) complaint_ = std::move(failure->error);
  } else if (*reply.id != hello_) {
    settle(*reply.id, std::move(reply.answer));
  } else if (failure != nullptr) {
    return std::move(failure->error);
  } else if (const auto* welcome = std::get_if<proto::Welcome>(&reply.answer)) {
    daemon_pid_ = welcome->pid;
  }
  return std::nullopt;
}

void Connection::settle(proto::RequestId id, proto::Answer answer) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;  // abandoned
  Pending::Slot& slot = *found->second;
  pending_.erase(found);
  slot.answer = std::move(answer);
  slot.wake.notify_one();
}

// ---- The connection itself ----

std::expected<void, Error> Connection::ensure_connected(UniqueLock& lock, TimePoint until) {
  std::chrono::milliseconds pause{1};
  constexpr std::chrono::milliseconds kLongestPause{50};
  while (channel_ == nullptr) {
    auto socket = find_daemon(sockets_());
    if (socket) return adopt(std::move(*socket));
    // Its backlog is full: nothing tells when it no longer is, connect(2) included.
    if (socket.error().os_error != EAGAIN || Clock::now() >= until) {
      return std::unexpected(socket.error());
    }
    lock.unlock();
    std::this_thread::sleep_until(std::min(until, Clock::now() + pause));
    lock.lock();
    pause = std::min(2 * pause, kLongestPause);
  }
  return {};
}

// A new session begins with the hello, which the first request need not wait for.
std::expected<void, Error> Connection::adopt(proto::Descriptor socket) {
  auto channel = Channel::make(std::move(socket));
  if (!channel) return std::unexpected(channel.error());
  channel_ = std::move(*channel);
  ++session_;
  hello_ = ++last_id_;
  return send(proto::encode(proto::Request{hello_, hello()}), hello_, -1);
}

std::expected<void, Error> Connection::send(std::string_view line, proto::RequestId id,
                                            int descriptor) {
  flush();
  if (channel_ == nullptr) return std::unexpected(parting_);
  const auto channel = channel_;
  auto sent = channel->send(id, line, descriptor);
  if (!sent && sent.error().code != Errc::limit_reached) {
    receive();  // the last that it said: answers, perhaps why it hung up
    if (channel == channel_) break_off(lost(std::strerror(sent.error().os_error)));
    return std::unexpected(parting_);
  }
  // A leader that sleeps already knows nothing of bytes that are left to send.
  if (leader_ != nullptr && channel->has_unsent()) channel->wake();
  return sent;
}

void Connection::flush() {
  while (channel_ != nullptr) {
    auto flushed = channel_->flush();
    if (flushed) return;
    auto& [error, request] = flushed.error();
    if (!request) {
      break_off(lost(std::strerror(error.os_error)));
      return;
    }
    settle(*request, proto::Failure{std::move(error), std::nullopt});
    // Perhaps the leader's own, which it would not see in its sleep.
    if (leader_ != nullptr) channel_->wake();
  }
}

void Connection::break_off(Error error) {
  const auto channel = std::exchange(channel_, nullptr);
  if (leader_ != nullptr) channel->wake();
  daemon_pid_ = 0;
  complaint_.reset();
  parting_ = std::move(error);
  for (const auto& [id, slot] : std::exchange(pending_, {})) {
    slot->answer = proto::Failure{parting_, std::nullopt};
    slot->wake.notify_one();
  }
}

}  // namespace locket::client
