// Part of arbiter.hpp: claims of the previous daemon come back (invariants 6 and 7).

#include <chrono>
#include <utility>

#include "daemon/arbiter_records.hpp"

namespace locketd {

std::optional<Ticket> Arbiter::reclaim(const Instant& now, Claim claim, const Former& former) {
  if (former.token && by_token_.contains({claim.session, *former.token})) return std::nullopt;
  if (claim.timeout) *claim.timeout += former.age;
  // A holder that never waited was told no ticket. Its token will do: it was issued right after the
  // ticket.
  const Ticket place = former.ticket != 0 ? former.ticket : former.token.value_or(0);
  Record* const record = add(now, std::move(claim), place);
  if (record == nullptr) return std::nullopt;

  const auto age = std::chrono::duration_cast<Monotonic::duration>(former.age);
  record->since = {now.steady - age,
                   now.wall - std::chrono::duration_cast<decltype(now.wall)::duration>(age)};
  const Ticket ticket = record->ticket;
  Lock& lock = *record->owner;
  if (former.token) {
    record->returning = record->checking = true;
    record->token = *former.token;
    by_token_.emplace(std::pair{record->claim.session, record->token}, record);
    ++lock.checks;
    events_.emplace_back(CheckLock{ticket, record->claim.mode});
    return ticket;
  }
  enqueue(lock, *record);
  if (&*lock.queue.begin() == record) retract(lock);
  advance(lock);
  tell(*record);
  return ticket;
}

void Arbiter::end_recovery() {
  recovering_ = false;
  std::vector<Lock*> locks;
  for (auto& [id, lock] : locks_) {
    if (std::exchange(lock.recovering, false)) locks.push_back(&lock);
  }
  for (Lock* lock : locks) advance(*lock);
}

// For a former holder, which is still a holder if the kernel says so.
void Arbiter::check_ended(Lock& lock, Record& record, OsResult result, int os_error) {
  --lock.checks;
  record.checking = false;
  if (result != OsResult::locked) {
    const bool failed = result == OsResult::failed;
    refuse(record, {.why = failed ? Refused::Why::os_failed : Refused::Why::lost,
                    .os_error = failed ? os_error : 0});
    return;
  }
  record.returning = false;
  lock.add_holder(record);
  lock.external = false;
  hold(record, record.token);
  // The waiter that was being tried waits for this holder, not for an external one.
  retract(lock);
}

// The record's time is over, but the kernel has not been asked. That is done now if it is the first
// in the queue; the others stay held back, so that those yet to come back keep their places.
void Arbiter::last_try(Lock& lock, Record& record) {
  const bool first = &*lock.queue.begin() == &record;
  if (!first || lock.checks > 0 || !lock.admits(record.claim.mode)) {
    refuse(record, {.why = Refused::Why::timed_out});
  } else {
    deadlines_.erase({record.deadline, record.ticket});
    record.deadline = Monotonic::max();
    record.impatient = record.last_try = true;
    Lock::put(record, lock.at_once);
  }
  advance(lock);
}

}  // namespace locketd
