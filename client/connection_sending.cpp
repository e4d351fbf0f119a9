// Of connection.hpp: what is sent, in its order, and when to retry what could not be sent.

#include <algorithm>
#include <new>
#include <thread>
#include <utility>

#include "client/channel.hpp"
#include "client/connection.hpp"
#include "client/parking.hpp"
#include "proto/codec.hpp"

namespace locket::client {

using proto::Error;

namespace {

void append(proto::Line& line, const Connection::Notice& notice) {
  if (const auto* release = std::get_if<proto::Release>(&notice)) proto::append(line, *release);
  if (const auto* unpark = std::get_if<proto::Unpark>(&notice)) proto::append(line, *unpark);
  if (const auto* cancel = std::get_if<proto::Cancel>(&notice)) proto::append(line, *cancel);
}

}  // namespace

void Connection::notify(Notice notice) noexcept {
  try {
    proto::Line line;
    append(line, notice);
    UniqueLock lock(mutex_);
    if (channel_ != nullptr) std::ignore = send(lock, line.view(), 0, -1);
  } catch (const std::bad_alloc&) {
    notify_later(notice);
  }
}

// Parks only if this session's daemon (perhaps not the one that granted the lock) supports it and
// the keeper runs, which will close the file in time. After `detach` a descriptor also belongs to
// another program, so it is not parked.
std::uint64_t Connection::notify_and_park(proto::Token token) noexcept {
  try {
    UniqueLock lock(mutex_);
    if (channel_ == nullptr) return 0;
    const bool park = parks_ && !detached_ && keeper_.is_running();
    const auto session = session_;
    proto::Line line;
    proto::append(line, proto::Release{token, park});
    return send(lock, line.view(), 0, -1) && park ? session : 0;
  } catch (const std::bad_alloc&) {
    notify_later(proto::Unpark{token});  // sent last in, first out
    notify_later(proto::Release{token});
    return 0;
  }
}

void Connection::watch_parking() noexcept {
  const UniqueLock lock(mutex_);
  next_unparking_ = Clock::now() + Parking::kIdle;
  keeper_.alert();
}

// The entry takes less memory than its subject has just freed.
void Connection::notify_later(Notice notice) noexcept {
  const UniqueLock lock(mutex_);
  try {
    if (channel_ != nullptr) owed_.push_back(notice);
  } catch (const std::bad_alloc&) {
    return;  // the kernel's lock is free in any case, and a release must not fail
  }
  keeper_.alert();
}

// The system call runs without the mutex: the daemon that it wakes often preempts the sender, and
// no other thread should wait for the sender to run again. What others want to send meanwhile
// leaves with it.
std::expected<void, Error> Connection::send(UniqueLock& lock, std::string_view line,
                                            proto::RequestId id, int descriptor) {
  flush();
  if (channel_ == nullptr) return std::unexpected(parting_);
  const auto channel = channel_;
  std::expected<void, Error> sent;
  try {
    sent = channel->send(lock, id, line, descriptor);
  } catch (const std::bad_alloc&) {
    if (channel == channel_) wake_sender();
    throw;
  }
  if (!sent) {
    if (channel == channel_) return hang_up(std::move(sent.error()));
    return sent;  // others noticed, and may have reconnected
  }
  // Send everything if there is no leader or keeper to send the rest.
  std::expected<bool, Error> more = channel == channel_ && channel->has_unsent();
  while (channel == channel_ && more && *more) {
    more = channel->flush(lock);
    if (leader_ != nullptr || keeper_.is_running()) break;
  }
  if (channel != channel_) return sent;
  if (!more) {
    std::ignore = hang_up(std::move(more.error()));
  } else {
    wake_sender();
  }
  return sent;
}

// Takes back a message that has not begun to leave. Waits while another thread is sending it: its
// descriptor is about to be closed, and the number may come to mean another file.
bool Connection::withdraw(UniqueLock& lock, proto::RequestId id) {
  for (const auto channel = channel_; channel == channel_;) {
    if (!channel->is_leaving(id)) return channel->withdraw(id);
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  return false;
}

// Wakes a thread for what is left to send. A leader that already sleeps does not know of it; a
// thread that is sending will come to it.
void Connection::wake_sender() {
  if (!has_unsent() || channel_->is_sending()) return;
  if (leader_ != nullptr) {
    channel_->wake();
  } else if (!keeper_sends_) {
    keeper_.alert();
  }
}

void Connection::flush() {
  if (channel_ == nullptr || (!has_unsent() && refused_.empty() && owed_.empty())) return;
  if (auto flushed = channel_->flush(); !flushed) {
    std::ignore = hang_up(std::move(flushed.error()));
    return;
  }
  if (!refused_.empty() && retrying_.is_due()) {
    retrying_.attempt();
    untold_.insert(untold_.end(), refused_.begin(), refused_.end());
    refused_.clear();
  }
  while (!owed_.empty()) {
    proto::Line line;
    append(line, owed_.back());
    std::ignore = channel_->send(0, line.view(), -1);
    owed_.pop_back();
  }
  tell_claims();
}

bool Connection::has_unsent() const {
  return channel_ != nullptr && (channel_->has_unsent() || !untold_.empty());
}

// When to retry something that no event will announce.
TimePoint Connection::next_try() const {
  TimePoint next = refused_.empty() ? kNever : retrying_.due();
  const bool lacks_memory = channel_ != nullptr && channel_->has_line_put_back();
  if (lacks_memory || (has_unsent() && channel_->lacks_room())) {
    next = std::min(next, Clock::now() + Channel::kNoRoomPause);
  }
  return next;
}

}  // namespace locket::client
