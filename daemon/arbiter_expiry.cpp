// Part of arbiter.hpp: claims whose time is over, and what is asked before they are refused.

#include <algorithm>
#include <utility>

#include "daemon/arbiter_records.hpp"

namespace locketd {

std::optional<Monotonic> Arbiter::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

bool Arbiter::has_due(Monotonic now) const {
  return !due_at_once_.empty() || (!deadlines_.empty() && deadlines_.begin()->first <= now);
}

std::vector<Ticket> Arbiter::due(Monotonic now, std::size_t most) {
  std::vector<Ticket> due;
  last_due_ = now;
  // At most half of the portion, so that a flood of claims that do not wait makes no others late
  // (C3).
  for (; !due_at_once_.empty() && due.size() < most / 2; due_at_once_.pop_front()) {
    const auto found = records_.find(due_at_once_.front());
    // The waiter that was meant may be gone, and another may have come back with its ticket.
    const bool waits = found != records_.end() && !found->second->held && found->second->impatient;
    if (waits) due.push_back(due_at_once_.front());
  }
  for (const auto& [deadline, ticket] : deadlines_) {
    if (deadline > now || due.size() >= most) break;
    due.push_back(ticket);
  }
  return due;
}

void Arbiter::expire(const std::vector<Ticket>& due) {
  std::vector<Lock*> held;
  for (const Ticket ticket : due) {
    const auto found = records_.find(ticket);
    if (found == records_.end() || found->second->held) continue;
    Record& record = *found->second;
    Lock& lock = *record.owner;
    // As in due(): another waiter may have come back with the ticket.
    if (!record.impatient && record.deadline > last_due_) continue;
    if (lock.recovering && !record.impatient) {
      last_try(lock, record);
    } else if (record.impatient && lock.unsettled()) {
      // The kernel's answer to what the holders have just said is yet to come.
      Lock::put(record, lock.at_once);
    } else if (record.impatient && lock.attempt == Lock::Attempt::none) {
      Lock::put(record, lock.looked);
      held.push_back(&lock);
    } else {
      refuse(record, {.why = Refused::Why::timed_out});
      advance(lock);
    }
  }
  for (Lock* lock : held) look_again(*lock);
}

// Asks once for all claims of a lock that do not wait; only holders and waiters of ours are in
// their way.
void Arbiter::look_again(Lock& lock) {
  if (lock.looking) return;
  // A waiter ahead of them was refused meanwhile, and the next, which the holders admit, is being
  // tried.
  if (lock.attempt != Lock::Attempt::none) return end_look(lock, false);
  const Record& head = *lock.queue.begin();
  lock.attempt = Lock::Attempt::probing;
  lock.tried = head.ticket;
  lock.looking = true;
  events_.emplace_back(LookAgain{head.ticket, head.claim.mode});
}

// If the lock is not simply still held, these claims become due once more.
void Arbiter::end_look(Lock& lock, bool still_held) {
  lock.looking = false;
  if (!still_held) return lock.at_once.merge(lock.looked, Lock::came_before);
  while (!lock.looked.empty()) {
    refuse(lock.looked.front(), {.why = Refused::Why::timed_out});
  }
}

}  // namespace locketd
