// Of connection.hpp: replies from the daemon.

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "client/channel.hpp"
#include "client/connection.hpp"
#include "client/custody.hpp"
#include "client/herald.hpp"
#include "client/pending.hpp"
#include "proto/codec.hpp"
#include "proto/limits.hpp"
#include "proto/version.hpp"

namespace locket::client {
namespace {

using proto::Errc;
using proto::Error;

// The daemon has no room for the request now, which says nothing about the lock.
bool is_passing(Errc code) {
  return code == Errc::limit_reached || code == Errc::internal_error;
}

}  // namespace

void Connection::receive() {
  if (auto end = read_and_deliver()) end_session(std::move(*end));
}

// Reads all there is. A returned error is why the session must end: the daemon has ended it, or
// makes no sense.
std::optional<Error> Connection::read_and_deliver() {
  for (;;) {
    const auto intake = channel_->receive();
    // Even after an error: there may be lines that were put back.
    if (auto end = deliver_lines()) return end;
    if (!intake) return intake.error();
    if (*intake == Channel::Intake::none) return std::nullopt;
    if (*intake == Channel::Intake::closed) {
      return complaint_.value_or(Error{Errc::connection_lost, "locketd closed it"});
    }
  }
}

std::optional<Error> Connection::deliver_lines() {
  for (;;) {
    const auto line = channel_->next_line();
    if (!line) return Error{Errc::connection_lost, line.error().message};
    if (!*line) return std::nullopt;
    try {
      auto reply = proto::decode_reply(**line);
      if (!reply) return Error{Errc::connection_lost, reply.error().message};
      if (auto end = deliver(*reply)) return end;
    } catch (const std::bad_alloc&) {
      if (drop_answer_to_query(**line)) continue;
      channel_->put_line_back();
      throw;
    }
  }
}

// There may never be memory for a page of `list`, and the answers of threads that wait for locks
// are behind it. So the query fails with out of memory.
bool Connection::drop_answer_to_query(std::string_view line) {
  const auto id = proto::id_of_reply(line);
  if (!id || *id == hello_ || reclaims_.contains(*id)) return false;
  Slot* const slot = find(*id);
  if (slot == nullptr) return true;  // abandoned
  if (slot->claim) return false;
  finish(*slot, no_memory());
  return true;
}

std::optional<Error> Connection::deliver(proto::Reply& reply) {
  auto* failure = std::get_if<proto::Failure>(&reply.answer);
  if (!reply.id) {
    // It answers no request of ours that the daemon could read. If the daemon hangs up, this is
    // why.
    if (failure != nullptr) complaint_ = std::move(failure->error);
  } else if (*reply.id != hello_) {
    settle(*reply.id, std::move(reply.answer));
  } else if (failure != nullptr) {
    return refused_hello(*failure);
  } else if (const auto* welcome = std::get_if<proto::Welcome>(&reply.answer)) {
    daemon_pid_ = welcome->pid;
    welcomed_ = true;
    parks_ = welcome->parking >= proto::kMaxParkedFiles;
    reconnecting_.succeeded();
  }
  return std::nullopt;
}

// If the two do not understand each other, adds which side to upgrade.
Error Connection::refused_hello(const proto::Failure& failure) const {
  Error error = failure.error;
  if (error.code != Errc::unsupported_protocol || !failure.protocol) return error;
  error.message = fmt::format("{}; this is liblocket {}, which speaks protocol {}: {}",
                              error.message, proto::kVersion, proto::kProtocolVersion,
                              *failure.protocol > proto::kProtocolVersion
                                  ? "upgrade liblocket and restart the program"
                                  : "upgrade locketd and restart it");
  return error;
}

void Connection::settle(proto::RequestId id, proto::Answer&& answer) {
  Slot* const asked = find(id);
  if (const auto* waiting = std::get_if<proto::Waiting>(&answer)) {
    if (asked != nullptr && asked->claim) asked->claim->ticket = waiting->ticket;
    return;
  }
  if (const auto reclaim = reclaims_.find(id); reclaim != reclaims_.end()) {
    settle_reclaim(reclaim->second, answer);
    reclaims_.erase(reclaim);
    return;
  }
  if (asked == nullptr) return;  // abandoned
  Slot& slot = *asked;
  if (slot.claim) {
    const auto* failure = std::get_if<proto::Failure>(&answer);
    // An earlier daemon accepted it, so a new daemon's lack of room does not end it.
    if (failure != nullptr && is_passing(failure->error.code) && !slot.claim->at_once &&
        slot.first_session != slot.session) {
      retry_later(&slot);
      return;
    }
    if (const auto* grant = std::get_if<proto::Grant>(&answer)) {
      slot.claim->since = Clock::now();
      custody_.add(slot.claim, grant->token);
      slot.claim.reset();
    }
  }
  finish(slot, std::move(answer));
}

void Connection::finish(Slot& slot, proto::Answer&& answer) {
  drop(slot);
  slot.answer = std::move(answer);
  // Another thread may have read the leader's answer: the keeper in its turn, or one whose send
  // failed. A leader that sleeps in poll(2) gets no event for that.
  if (&slot == leader_ && leader_sleeps_) channel_->wake();
  wake(slot);
}

void Connection::retry_later(Untold claim) {
  refused_.emplace_back(claim);
  // The leader went to sleep when there was nothing to retry.
  if (leader_sleeps_) channel_->wake();
}

// Null if it has been answered or abandoned.
Connection::Slot* Connection::find(proto::RequestId id) const {
  const auto found = std::ranges::lower_bound(pending_, id, {}, &PendingCall::first);
  return found != pending_.end() && found->first == id ? found->second : nullptr;
}

// Removes it from all tables. True if this session's daemon has not been told of it yet.
bool Connection::drop(Slot& slot) {
  std::erase(pending_, PendingCall(slot.id, &slot));
  if (!refused_.empty()) std::erase(refused_, Untold(&slot));
  const bool untold = !untold_.empty() && std::erase(untold_, Untold(&slot)) > 0;
  return untold || (slot.claim && slot.claim->unlock_first);
}

void Connection::settle_reclaim(proto::Token token, const proto::Answer& answer) {
  const auto* failure = std::get_if<proto::Failure>(&answer);
  if (failure == nullptr) {
    if (refused_.empty()) retrying_.succeeded();
    return;
  }
  const Errc code = failure->error.code;
  if (is_passing(code)) {
    retry_later(token);
  } else if (code == Errc::lost || code == Errc::bad_file) {
    lose_hold(token, custody_, herald_);
  }
  // Whatever else the daemon objects to: the kernel's lock stands.
}

}  // namespace locket::client
