// Of arbiter.hpp: whose time is over, and what is asked before it is refused.

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
  // Half of them at most, so that a flood of these does not make others late (C3).
  for (; !due_at_once_.empty() && due.size() < most / 2; due_at_once_.pop_front()) {
    const auto found = records_.find(due_at_once_.front());
    // Not so one who came back by the ticket of one that has gone.
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
    // Who was meant may have gone, and another come back by its ticket.
    if (!record.impatient && record.deadline > last_due_) continue;
    if (lock.recovering && !record.impatient) {
      last_try(lock, record);
    } else if (record.impatient && lock.unsettled()) {
      // What the last chance brought is still on its way through the kernel.
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

// For all of a lock at once, which have nobody but holders and waiters of ours in their way.
void Arbiter::look_again(Lock& lock) {
  if (lock.looking) return;
  // The one before them was refused meanwhile, and the next may go with the holders.
  if (lock.attempt != Lock::Attempt::none) return end_look(lock, false);
  const Record& head = *lock.queue.begin();
  lock.attempt = Lock::Attempt::probing;
  lock.tried = head.ticket;
  lock.looking = true;
  events_.emplace_back(LookAgain{head.ticket, head.claim.mode});
}

// Where something else has happened, whoever does not wait is due once more.
void Arbiter::end_look(Lock& lock, bool still_held) {
  lock.looking = false;
  if (!still_held) return lock.at_once.merge(lock.looked, Lock::came_before);
  while (!lock.looked.empty()) {
    refuse(lock.looked.front(), {.why = Refused::Why::timed_out});
  }
}

}  // namespace locketd
