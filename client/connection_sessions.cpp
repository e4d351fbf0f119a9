// Of connection.hpp: sessions, from their beginning, when claims are told again, to their end.

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <thread>
#include <utility>

#include "client/channel.hpp"
#include "client/connection.hpp"
#include "client/custody.hpp"
#include "client/herald.hpp"
#include "client/os_unlock.hpp"
#include "client/parking.hpp"
#include "client/pending.hpp"
#include "client/program_name.hpp"
#include "client/socket_search.hpp"
#include "proto/codec.hpp"
#include "proto/limits.hpp"
#include "proto/version.hpp"

namespace locket::client {
namespace {

using proto::Errc;
using proto::Error;

proto::Hello hello() {
  return {proto::kProtocolVersion, fmt::format("liblocket {}", proto::kVersion), program_name(),
          true};
}

// As it does when a daemon is being restarted.
bool may_come_back(const Error& error) {
  return error.os_error == ENOENT || error.os_error == ECONNREFUSED ||
         error.code == Errc::connection_lost;
}

// The caller does not care at which point of the greeting the last daemon died.
Error absent(const Error& error) {
  if (error.code != Errc::connection_lost) return error;
  return {Errc::no_daemon, fmt::format("locketd went away and is not back yet ({})", error.message),
          error.os_error};
}

proto::Reclaim reclaim_of(const Claim& claim, std::optional<proto::Token> token) {
  const proto::Acquire& asked = claim.asked;
  return {asked.path, asked.mode,   token ? std::nullopt : asked.timeout,      asked.reason,
          token,      claim.ticket, proto::Seconds(Clock::now() - claim.since)};
}

}  // namespace

std::expected<void, Error> Connection::ensure_connected(UniqueLock& lock, TimePoint until) {
  if (channel_ != nullptr) return {};
  const TimePoint began = Clock::now();
  Backoff backoff;
  while (channel_ == nullptr) {
    // Claims stay with the daemon that knows their order, even if another one now comes first in
    // the list.
    auto found = find_daemon(has_claims() && !home_.empty() ? std::vector{home_} : sockets_());
    auto begun = found ? begin_session(std::move(*found)) : std::unexpected(found.error());
    if (begun) break;
    // A process that never had a daemon learns at once that there is none. A process whose
    // connection was accepted, even if it was lost during the greeting, had one.
    const TimePoint patience = home_.empty() ? TimePoint() : began + kPatience;
    // The daemon's backlog is full: nothing announces when that ends, not even connect(2).
    const bool busy = begun.error().os_error == EAGAIN;
    const bool again = busy || (may_come_back(begun.error()) && Clock::now() < patience);
    if (!again || Clock::now() >= until) return std::unexpected(absent(begun.error()));
    backoff.attempt();
    lock.unlock();
    std::this_thread::sleep_until(std::min(until, backoff.due()));
    lock.lock();
  }
  return {};
}

// A new session begins with the hello, and with what a daemon must know of this process. None of
// that waits for an answer.
std::expected<void, Error> Connection::begin_session(Found found) {
  auto channel = Channel::make(std::move(found.socket));
  if (!channel) return std::unexpected(channel.error());
  channel_ = std::move(*channel);
  ++session_;
  home_ = std::move(found.path);
  hello_ = ++last_id_;
  welcomed_ = parks_ = false;
  retrying_ = Backoff();
  try {
    if (auto greeted = greet(); !greeted) return greeted;
  } catch (const std::bad_alloc&) {
    // No claim has been told yet, so ending the session does not make the daemon take any for given
    // up.
    channel_.reset();
    untold_.clear();
    throw;
  }
  // Before anything that may run out of memory: the keeper and the leader are what retries it.
  keeper_.alert();  // there is another socket to watch
  if (leader_ == nullptr) promote();
  if (!untold_.empty()) keeper_.start();
  flush();
  if (channel_ == nullptr) return std::unexpected(parting_);
  return {};
}

// Says who we are, and lists the claims to tell.
std::expected<void, Error> Connection::greet() {
  if (auto sent = channel_->send(hello_, proto::encode(hello_, hello()), -1); !sent) {
    return hang_up(std::move(sent.error()));
  }
  if (detached_) {
    const proto::Request request{++last_id_, *detached_};
    if (auto sent = channel_->send(*request.id, proto::encode(request), -1); !sent) {
      return hang_up(std::move(sent.error()));
    }
  }
  for (const proto::Token token : custody_.tokens()) untold_.emplace_back(token);
  for (const auto& [id, slot] : pending_) {
    if (slot->claim && !slot->claim->unlock_first) untold_.emplace_back(slot);
  }
  // Nothing below allocates.
  for (const auto& [id, slot] : pending_) {
    if (!slot->claim) continue;
    slot->session = session_;
    if (slot->first_session == 0) slot->first_session = session_;
  }
  return {};
}

// The connection is unusable, but the last data in it may be answers, or why the daemon hung up.
std::unexpected<Error> Connection::hang_up(Error error) {
  const auto channel = channel_;
  receive();
  if (channel == channel_) end_session(std::move(error));
  return std::unexpected(parting_);
}

void Connection::end_session(Error error) {
  // The daemon's reason, if it gave one: a reset or a broken pipe only follows from that.
  if (error.code == Errc::connection_lost && complaint_) error = *std::exchange(complaint_, {});
  const bool refused = error.code != Errc::connection_lost && !welcomed_;
  if (error.code == Errc::connection_lost) {
    error.message = fmt::format("the connection to locketd is lost: {}", error.message);
  }
  // Nothing below allocates, so all of it gets done.
  const auto channel = std::exchange(channel_, nullptr);
  channel->shut_down();
  if (leader_ != nullptr) channel->wake();
  keeper_.alert();
  daemon_pid_ = 0;
  complaint_.reset();
  untold_.clear();
  reclaims_.clear();
  refused_.clear();
  owed_.clear();
  parting_ = std::move(error);
  std::erase_if(pending_, [&](const auto& entry) {
    Slot& slot = *entry.second;
    // A claim outlives the session, unless the first daemon told of it refused our hello.
    const bool turned_away = refused && slot.first_session == session_;
    if (slot.claim && !turned_away) {
      // The daemon may have locked the file just before it ended: then it would stay locked, and no
      // process would know that it holds the lock.
      if (slot.claim->local) {
        os_unlock_open(slot.claim->descriptor.get());
      } else {
        slot.claim->unlock_first = true;  // by its own thread: that may take any time
        wake(slot);
      }
      slot.claim->park = false;
      return false;
    }
    slot.answer = parted();
    wake(slot);
    return true;
  });
}

proto::Failure Connection::parted() const noexcept {
  try {
    return {parting_, std::nullopt};
  } catch (const std::bad_alloc&) {
    return no_memory(parting_.code);
  }
}

// Tells as many as the socket takes now.
void Connection::tell_claims() {
  while (channel_ != nullptr && !untold_.empty()) {
    const auto told = std::visit(
        [this](const auto& claim) {
          if constexpr (std::is_pointer_v<std::decay_t<decltype(claim)>>) {
            return tell(*claim);
          } else {
            return tell(claim);
          }
        },
        untold_.front());
    if (!told) {
      std::ignore = hang_up(told.error());
      return;
    }
    if (!*told) return;
    untold_.pop_front();
  }
}

// A daemon that follows the one that knew the claim gets a reclaim, unless the claim does not wait:
// such a claim has no place to lose.
std::expected<bool, Error> Connection::tell(Slot& slot) {
  Claim& claim = *slot.claim;
  claim.asked.timeout = claim.deadline.transform(left_until);
  claim.asked.parked.reset();  // it was parked with another daemon
  const bool known = slot.first_session != slot.session && !claim.at_once;
  const std::string line = known ? proto::encode(slot.id, reclaim_of(claim, std::nullopt))
                                 : proto::encode(slot.id, claim.asked);
  return channel_->try_send(slot.id, line, claim.descriptor.get());
}

std::expected<bool, Error> Connection::tell(proto::Token token) {
  std::expected<bool, Error> told = true;  // if it has been released, there is nothing to tell
  custody_.with(token, [&](const Hold& hold) {
    const Claim& claim = *hold.claim;
    const proto::RequestId id = ++last_id_;
    // Allocate first: what has been told must not be told again.
    std::map<proto::RequestId, proto::Token> reclaim{{id, token}};
    told =
        channel_->try_send(id, proto::encode(id, reclaim_of(claim, token)), claim.descriptor.get());
    if (told && *told) reclaims_.merge(reclaim);
  });
  return told;
}

// Claims that some daemon knew: a thread that makes a new claim connects by itself.
bool Connection::has_claims() const {
  const auto is_claim = [](const auto& entry) {
    return entry.second->claim && entry.second->first_session != 0;
  };
  return custody_.holds_any() || std::ranges::any_of(pending_, is_claim);
}

void Connection::reconnect_if_due() {
  if (home_.empty() || !reconnecting_.is_due()) return;
  // The pause grows until a daemon welcomes us: a mere accepted connection does not count.
  reconnecting_.attempt();
  auto found = find_daemon({home_});
  if (found) {
    std::ignore = begin_session(std::move(*found));
  } else {
    parting_ = std::move(found.error());
  }
}

// The keeper's turn: does what is due, and returns what to sleep for.
Watch Connection::keep_claims() {
  flush();
  if (channel_ != nullptr) receive();
  if (channel_ == nullptr && has_claims()) reconnect_if_due();
  if (Clock::now() >= next_unparking_) unpark_idle();

  Watch watch{channel_};
  keeper_sends_ = false;
  if (channel_ == nullptr) {
    if (has_claims()) watch.until = reconnecting_.due();
  } else if (leader_ == nullptr) {
    watch.interest = {!reclaims_.empty(),
                      has_unsent() && !channel_->lacks_room() && !channel_->is_sending()};
    watch.until = next_try();
    keeper_sends_ = watch.interest.write;
  }
  watch.until = std::min(watch.until, next_unparking_);
  if (herald_.is_stuck()) {
    herald_.try_again();
    watch.until = std::min(watch.until, Clock::now() + Backoff::kLongest);
  }
  return watch;
}

void Connection::unpark_idle() {
  next_unparking_ = Clock::now() + Parking::kIdle;
  const bool more = parking_.close_idle([this](const ParkedFile& file) {
    if (channel_ != nullptr && file.session == session_)
      owed_.emplace_back(proto::Unpark{file.token});
  });
  if (!more) next_unparking_ = kNever;
  flush();
  wake_sender();
}

}  // namespace locket::client
