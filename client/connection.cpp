#include "client/connection.hpp"

#include <algorithm>
#include <new>
#include <thread>
#include <utility>

#include "client/channel.hpp"
#include "client/custody.hpp"
#include "client/os_unlock.hpp"
#include "client/parking.hpp"
#include "client/pending.hpp"
#include "proto/codec.hpp"

namespace locket::client {

using proto::Errc;
using proto::Error;

Pending::Pending(Connection& connection, std::unique_ptr<Slot> slot)
    : connection_(&connection), slot_(std::move(slot)) {}

Pending::Pending() noexcept = default;
Pending::Pending(Pending&&) noexcept = default;

Pending& Pending::operator=(Pending&& other) noexcept {
  if (this == &other) return *this;
  if (slot_) connection_->abandon(std::move(slot_));
  connection_ = other.connection_;
  slot_ = std::move(other.slot_);
  return *this;
}

Pending::~Pending() {
  if (slot_) connection_->abandon(std::move(slot_));
}

std::optional<proto::Answer> Pending::wait(TimePoint until) {
  auto answer = connection_->wait(*slot_, until);
  if (answer) slot_.reset();
  return answer;
}

Connection::Connection(Sockets sockets, Custody& custody, Herald& herald, Parking& parking)
    : sockets_(std::move(sockets)), custody_(custody), herald_(herald), parking_(parking) {}

Connection::~Connection() {
  UniqueLock lock(mutex_);
  keeper_.stop(lock);
}

void Connection::forget() {
  // Closed, not unlocked. The slots themselves belong to their threads.
  for (const auto& [id, slot] : std::exchange(pending_, {})) {
    if (slot->claim) slot->claim->descriptor.reset();
    slot->answer =
        proto::Failure{{Errc::connection_lost, "this request was made before a fork"}, {}};
  }
  if (channel_ != nullptr) channel_->close();  // other threads' shares are never released
  channel_.reset();
  leader_ = nullptr;
  leader_sleeps_ = false;
  home_.clear();
  daemon_pid_ = 0;
  complaint_.reset();
  detached_.reset();
  reconnecting_ = retrying_ = Backoff();
  untold_.clear();
  reclaims_.clear();
  refused_.clear();
  owed_.clear();
  next_unparking_ = kNever;
  keeper_sends_ = false;
  keeper_.forget();
}

// ---- Calls ----

std::expected<Pending, Error> Connection::start(const proto::Call& call, TimePoint until) {
  auto slot = std::make_unique<Slot>();
  UniqueLock lock(mutex_);
  if (const auto* detach = std::get_if<proto::Detach>(&call)) detached_ = *detach;
  for (;;) {
    const bool fresh = channel_ == nullptr;
    if (auto connected = ensure_connected(lock, until); !connected) {
      return std::unexpected(connected.error());
    }
    slot->id = ++last_id_;
    const std::string line = proto::encode(slot->id, call);
    pending_.emplace_back(slot->id, slot.get());
    std::expected<void, Error> sent;
    try {
      sent = send(lock, line, slot->id, -1);
    } catch (const std::bad_alloc&) {
      drop(*slot);
      throw;
    }
    if (sent) return Pending(*this, std::move(slot));
    drop(*slot);
    // Another thread may have read why the daemon hung up.
    const auto answer = std::exchange(slot->answer, std::nullopt);
    const auto* failure = answer ? std::get_if<proto::Failure>(&*answer) : nullptr;
    const Error& error = failure != nullptr ? failure->error : sent.error();
    // A connection made earlier may have ended unnoticed while no thread waited on it. Then nothing
    // of this call was sent, so a new connection may carry it.
    if (fresh || error.code != Errc::connection_lost) return std::unexpected(error);
  }
}

std::expected<Pending, Error> Connection::start(ClaimPtr claim, TimePoint until) {
  Pending pending(*this, std::make_unique<Slot>());
  Slot& slot = *pending.slot_;
  slot.claim = std::move(claim);
  UniqueLock lock(mutex_);
  // In the table before it is sent, so that a session that begins now tells it with the others.
  slot.id = ++last_id_;
  pending_.emplace_back(slot.id, &slot);
  if (slot.claim->forks != parking_.forks()) slot.claim->park = false;
  std::expected<void, Error> done;
  for (;;) {
    done = ensure_connected(lock, until);
    // This may have begun a session, which tells all claims including this one, or have slept while
    // another thread began one: then nothing is left to do here.
    if (!done || slot.answer || slot.session == session_) break;
    keeper_.start();
    const auto session = slot.first_session = slot.session = session_;
    Claim& own = *slot.claim;
    own.asked.timeout = own.deadline.transform(left_until);
    if (own.parked_in != session_) own.asked.parked.reset();
    proto::Line line;
    proto::append(line, slot.id, own.asked);
    done = send(lock, line.view(), slot.id, own.asked.parked ? -1 : own.descriptor.get());
    if (done || slot.answer || done.error().code != Errc::connection_lost) break;
    // The session ended before any of this was sent. The claim is still in the table for the next
    // session, which may be with another daemon, and may have told it already.
    if (slot.session == session) slot.first_session = slot.session = 0;
  }
  const bool under_way = done || slot.answer;
  lock.unlock();
  if (!under_way) return std::unexpected(done.error());  // and `pending` abandons it
  return pending;
}

std::expected<proto::Answer, Error> Connection::call(const proto::Call& call, TimePoint until) {
  Backoff backoff;
  for (;;) {
    auto pending = start(call, until);
    if (!pending) return std::unexpected(pending.error());
    auto answer = pending->wait(until);
    if (!answer) {
      return std::unexpected(
          Error{Errc::no_daemon, "locketd does not answer; `locketctl doctor` tells more"});
    }
    auto* failure = std::get_if<proto::Failure>(&*answer);
    if (failure == nullptr) return std::move(*answer);
    backoff.attempt();
    if (failure->error.code != Errc::connection_lost || backoff.due() >= until) {
      return std::unexpected(std::move(failure->error));
    }
    std::this_thread::sleep_until(backoff.due());
  }
}

std::int64_t Connection::daemon_pid() {
  const UniqueLock lock(mutex_);
  return daemon_pid_;
}

std::optional<Error> Connection::absence() {
  const UniqueLock lock(mutex_);
  return channel_ == nullptr ? std::optional(parting_) : std::nullopt;
}

bool Connection::is_in_doubt() {
  const UniqueLock lock(mutex_);
  return channel_ == nullptr || !untold_.empty() || !reclaims_.empty() || !refused_.empty();
}

void Connection::abandon(std::unique_ptr<Slot> slot) {
  const proto::RequestId id = slot->id;
  bool to_cancel = false;
  {
    UniqueLock lock(mutex_);
    const bool left = !drop(*slot) && channel_ != nullptr && !withdraw(lock, id);
    to_cancel = left && !slot->answer;
  }
  // Unlock outside the mutex and before the daemon is told, so that it finds the file free (C7).
  const auto answer = std::move(slot->answer);
  const proto::Token parked = slot->claim ? slot->claim->asked.parked.value_or(0) : 0;
  slot.reset();
  if (to_cancel) notify(proto::Cancel{id});
  if (parked != 0) notify(proto::Unpark{parked});  // in case the daemon never received the claim
  // If it was answered meanwhile, there may be a grant to give back.
  const auto* grant = answer ? std::get_if<proto::Grant>(&*answer) : nullptr;
  if (grant == nullptr) return;
  if (auto hold = custody_.take(grant->token)) release_hold(std::move(*hold), *this);
}

// ---- Waiting: leader and followers ----

// Exists while a thread is in wait(), and keeps invariant 2 however that thread leaves.
class Connection::Attendance {
 public:
  Attendance(Connection& connection, Slot& slot) : connection_(connection), slot_(slot) {
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
  Slot& slot_;
};

std::optional<proto::Answer> Connection::wait(Slot& slot, TimePoint until) {
  UniqueLock lock(mutex_);
  const Attendance attendance(*this, slot);
  while (!slot.answer) {
    if (channel_ != nullptr && leader_ == nullptr) leader_ = &slot;
    if (slot.claim && slot.claim->unlock_first) {
      unlock_first(lock, slot);
    } else if (channel_ != nullptr && leader_ == &slot) {
      read_for_all(lock, until);
    } else {
      sit_out(lock, slot, until);
    }
    if (!slot.answer && Clock::now() >= until) break;
  }
  return std::exchange(slot.answer, std::nullopt);
}

// The daemon that knew the claim, on a file that is not local, has gone. The next one is told of it
// only after this: a grant must not be undone. Meanwhile another thread leads.
void Connection::unlock_first(UniqueLock& lock, Slot& slot) {
  slot.waiting = false;
  if (leader_ == &slot) leader_ = nullptr;
  if (leader_ == nullptr) promote();
  lock.unlock();
  os_unlock_open(slot.claim->descriptor.get());
  lock.lock();
  slot.waiting = true;
  if (slot.answer) return;  // the next daemon refused our hello
  const auto is_later = [&](const Untold& claim) {
    const Slot* const* const other = std::get_if<Slot*>(&claim);
    return other != nullptr && (*other)->id > slot.id;
  };
  try {
    if (channel_ != nullptr) untold_.insert(std::ranges::find_if(untold_, is_later), &slot);
    slot.claim->unlock_first = false;
    wake_sender();
  } catch (const std::bad_alloc&) {
    lock.unlock();
    std::this_thread::sleep_for(Channel::kNoRoomPause);
    lock.lock();
  }
}

// The leader's turn: sleeps until the daemon sends something, and delivers it.
void Connection::read_for_all(UniqueLock& lock, TimePoint until) {
  const auto channel = channel_;
  const bool to_write = has_unsent() && !channel->lacks_room() && !channel->is_sending();
  const TimePoint next = std::min(until, next_try());
  leader_sleeps_ = true;
  lock.unlock();
  channel->wait(next, to_write);
  lock.lock();
  leader_sleeps_ = false;
  while (channel == channel_) {
    WakeCalls calls(lock, calls_);
    try {
      flush();
      if (channel == channel_) receive();
      return;
    } catch (const std::bad_alloc&) {
      // The wait goes on until there is memory for what is still to be sent or was received.
      if (leader_->answer || Clock::now() >= until) return;
    }
    calls.make();
    lock.unlock();
    std::this_thread::sleep_for(Channel::kNoRoomPause);
    lock.lock();
  }
}

// A follower's turn, or any thread's while there is no session: sleeps until it is woken. If the
// keeper has no thread, waiting threads reconnect.
void Connection::sit_out(UniqueLock& lock, Slot& slot, TimePoint until) {
  if (leader_ == &slot) leader_ = nullptr;
  if (channel_ == nullptr && !keeper_.is_running()) {
    try {
      reconnect_if_due();
    } catch (const std::bad_alloc&) {
      until = std::min(until, Clock::now() + Channel::kNoRoomPause);
    }
    if (channel_ != nullptr) return;
    until = std::min(until, reconnecting_.due());
  }
  if (!slot.sleeper) {
    try {
      slot.sleeper = std::make_shared<std::condition_variable>();
    } catch (const std::bad_alloc&) {
      // Without it, no thread could wake this one.
      lock.unlock();
      std::this_thread::sleep_until(std::min(until, Clock::now() + Channel::kNoRoomPause));
      lock.lock();
      return;
    }
  }
  if (until == kNever) {
    slot.sleeper->wait(lock);
  } else {
    slot.sleeper->wait_until(lock, until);
  }
}

void Connection::wake(const Slot& slot) noexcept {
  if (!slot.sleeper) return;
  if (calls_ == nullptr || !calls_->add(slot.sleeper)) slot.sleeper->notify_one();
}

// Wakes the follower that has waited longest, to lead; if there is none, the keeper has its turn.
void Connection::promote() {
  for (const auto& [id, slot] : pending_) {
    if (!slot->waiting) continue;
    wake(*slot);
    return;
  }
  if (has_unsent() || !reclaims_.empty() || !refused_.empty()) keeper_.alert();
}

}  // namespace locket::client
