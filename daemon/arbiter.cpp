#include "daemon/arbiter.hpp"

#include <algorithm>

#include "daemon/arbiter_records.hpp"

namespace locketd {

Arbiter::Arbiter() = default;

Arbiter::~Arbiter() {
  // Intrusive containers must be empty before the records that they link are destroyed.
  for (auto& [id, lock] : locks_) {
    lock.holders.clear(), lock.queue.clear();
    lock.at_once.clear(), lock.looked.clear();
  }
  for (auto& [id, session] : sessions_) session->records.clear();
}

std::optional<Ticket> Arbiter::acquire(const Instant& now, Claim claim) {
  Record* const record = add(now, std::move(claim), 0);
  if (record == nullptr) return std::nullopt;
  const Ticket ticket = record->ticket;
  Lock& lock = *record->owner;
  enqueue(lock, *record);
  advance(lock);
  tell(*record);
  return ticket;
}

// At the place of that ticket, or behind all others if it is 0. Null if the session already uses
// the request's id.
Arbiter::Record* Arbiter::add(const Instant& now, Claim claim, Ticket ticket) {
  const auto [slot, is_new] = by_request_.try_emplace({claim.session, claim.request}, nullptr);
  if (!is_new) return nullptr;
  // A ticket from the future, of a clock since set back or of a client that lies, gives no place
  // ahead of newcomers.
  if (ticket == 0 || ticket > stamp_at(now)) ticket = next_stamp(now);
  // Clients may state any former ticket. If very many state the same one, looking for a place
  // beside it would cost others their time (C15).
  constexpr int kNeighbours = 1024;
  const auto taken = [&] { return records_.contains(ticket) || abandoned_.contains(ticket); };
  for (int i = 0; i < kNeighbours && taken(); ++i) ++ticket;
  while (taken()) ticket = next_stamp(now);
  last_stamp_ = std::max(last_stamp_, ticket);

  auto owned = std::make_unique<Record>();
  Record& record = *owned;
  slot->second = &record;
  record.ticket = ticket;
  record.since = now;
  record.claim = std::move(claim);
  records_.emplace(ticket, std::move(owned));
  Use& use = users_[record.claim.user];
  ++use.waiting;
  use.text += record.claim.text_bytes();

  auto& session = sessions_[record.claim.session];
  if (!session) session = std::make_unique<Session>();
  record.session = session.get();
  session->records.push_back(record);

  Lock& lock = lock_for(record.claim.file);
  record.owner = &lock;
  record.lock = lock.id;
  return &record;
}

void Arbiter::enqueue(Lock& lock, Record& record) {
  lock.queue.insert(lock.queue.end(), record);
  if (!record.claim.timeout) return;
  if (record.claim.timeout->count() == 0) {
    record.impatient = true;
    Lock::put(record, lock.at_once);
  } else {
    record.deadline = record.since.steady + *record.claim.timeout;
    deadlines_.emplace(record.deadline, record.ticket);
  }
}

// Tells the session that it has to wait, unless the answer is about to come.
void Arbiter::tell(Record& record) {
  const bool probed =
      record.owner->attempt == Lock::Attempt::probing && record.owner->tried == record.ticket;
  if (record.held || record.impatient || probed || std::exchange(record.told, true)) return;
  events_.emplace_back(Queued{record.claim.session, record.claim.request, record.ticket});
}

std::optional<Ticket> Arbiter::release(SessionId session, Token token) {
  const auto found = by_token_.find({session, token});
  if (found == by_token_.end()) return std::nullopt;
  Record& record = *found->second;
  const Ticket ticket = record.ticket;
  Lock& lock = *record.owner;
  if (record.held) {
    leave(record);
  } else {
    // It crosses its own reclaim, and the check may have seen the lock before it was released.
    refuse(record, {.why = Refused::Why::cancelled});
  }
  advance(lock);
  return ticket;
}

bool Arbiter::cancel(SessionId session, RequestId request) {
  const auto found = by_request_.find({session, request});
  if (found == by_request_.end()) return false;
  Record& record = *found->second;
  Lock& lock = *record.owner;
  if (record.held) {
    leave(record);
  } else {
    refuse(record, {.why = Refused::Why::cancelled});
  }
  advance(lock);
  return true;
}

void Arbiter::disconnect(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  // All records leave before any lock is handed on: its next waiter could be one of them.
  std::vector<Lock*> locks;
  auto& records = found->second->records;
  while (!records.empty()) {
    locks.push_back(records.front().owner);
    leave(records.front());
  }
  sessions_.erase(found);
  std::ranges::sort(locks, {}, &Lock::id);
  const auto repeated = std::ranges::unique(locks);
  locks.erase(repeated.begin(), repeated.end());
  for (Lock* lock : locks) advance(*lock);
}

void Arbiter::stop_waiting(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  std::vector<RequestId> waits;
  for (const Record& record : found->second->records) {
    if (!record.held && !record.returning) waits.push_back(record.claim.request);
  }
  for (const RequestId request : waits) cancel(session, request);
}

void Arbiter::os_result(const Instant& now, Ticket ticket, OsResult result, int os_error) {
  if (const auto left = abandoned_.find(ticket); left != abandoned_.end()) {
    const auto [lock, check] = left->second;
    abandoned_.erase(left);
    if (check) {
      --lock->checks;
    } else {
      lock->attempt = Lock::Attempt::none;
      if (result == OsResult::locked) lock->external = false;
      end_look(*lock, false);
    }
    events_.emplace_back(Discard{ticket});
    advance(*lock);
    return;
  }
  const auto found = records_.find(ticket);
  if (found == records_.end()) return;
  Record& record = *found->second;
  Lock& lock = *record.owner;
  if (record.returning) {
    check_ended(lock, record, result, os_error);
  } else {
    attempt_ended(now, lock, record, result, os_error);
  }
  advance(lock);
}

void Arbiter::attempt_ended(const Instant& now, Lock& lock, Record& record, OsResult result,
                            int os_error) {
  const bool retracted =
      std::exchange(lock.attempt, Lock::Attempt::none) == Lock::Attempt::abandoned;
  const bool its_turn = &*lock.queue.begin() == &record;
  const bool admitted = its_turn && lock.admits(record.claim.mode);
  if (result != OsResult::busy) lock.external = false;
  if (lock.looking) {
    const bool busy = result == OsResult::busy;
    end_look(lock, busy && !retracted && !admitted);
    if (busy) return;
  }
  if (result == OsResult::failed) {
    refuse(record, {.why = Refused::Why::os_failed, .os_error = os_error});
  } else if (result == OsResult::locked && its_turn) {
    // The kernel decides: a holder in the way has unlocked, but its release is yet to be heard.
    grant(now, record);
  } else if (record.last_try && !admitted) {
    refuse(record, {.why = Refused::Why::timed_out});
  } else if (result == OsResult::locked) {
    events_.emplace_back(Unlock{record.ticket});
  } else if (!retracted) {
    lock.external = admitted;
    if (record.impatient) {
      refuse(record, {.why = Refused::Why::timed_out});
    } else if (admitted) {
      lock.attempt = Lock::Attempt::awaiting;
      events_.emplace_back(AwaitLock{record.ticket, record.claim.mode});
      tell(record);
    }
  }
}

// Gives up the attempt under way; its waiter stays, and has to wait after all.
void Arbiter::retract(Lock& lock) {
  if (lock.attempt != Lock::Attempt::probing && lock.attempt != Lock::Attempt::awaiting) return;
  abandon(lock);
  tell(*records_.at(lock.tried));
}

void Arbiter::abandon(Lock& lock) {
  if (std::exchange(lock.attempt, Lock::Attempt::abandoned) == Lock::Attempt::abandoned) return;
  events_.emplace_back(Abandon{lock.tried});
}

std::optional<Event> Arbiter::next_event() {
  if (next_event_ < events_.size()) return std::move(events_[next_event_++]);
  // The memory is reused, but what an unusually large batch took is given back.
  constexpr std::size_t kUsual = 64;
  events_.clear();
  next_event_ = 0;
  if (events_.capacity() > kUsual) events_.shrink_to_fit();
  return std::nullopt;
}

Arbiter::Lock& Arbiter::lock_for(const FileId& file) {
  Lock*& lock = by_file_[file];
  if (lock == nullptr) {
    const LockId id = ++last_lock_;
    lock = &locks_.try_emplace(locks_.end(), id)->second;
    lock->id = id;
    lock->file = file;
    lock->recovering = recovering_;
  }
  return *lock;
}

// Advances the queue as far as no answer from the OS layer is needed.
void Arbiter::advance(Lock& lock) {
  if (lock.attempt == Lock::Attempt::none && lock.checks == 0 && !lock.queue.empty()) {
    const Record& head = *lock.queue.begin();
    const bool held_back = lock.recovering && !head.last_try;
    if (!held_back && lock.admits(head.claim.mode)) {
      lock.attempt = Lock::Attempt::probing;
      lock.tried = head.ticket;
      events_.emplace_back(TryLock{head.ticket, head.claim.mode});
    }
  }
  settle_at_once(lock);
  forget_if_idle(lock);
}

// A claim that does not wait is due as soon as it is known that the lock is taken. While an attempt
// is under way that is not known yet, and the answer is near.
void Arbiter::settle_at_once(Lock& lock) {
  if (lock.unsettled()) return;
  for (const Record& record : lock.at_once) due_at_once_.push_back(record.ticket);
  lock.at_once.clear();
}

void Arbiter::grant(const Instant& now, Record& record) {
  Lock& lock = *record.owner;
  lock.queue.erase(Lock::Records::s_iterator_to(record));
  lock.add_holder(record);
  if (record.timed()) deadlines_.erase({record.deadline, record.ticket});
  record.deadline = Monotonic::max();
  record.since = now;
  ++grants_;
  hold(record, next_stamp(now));
}

void Arbiter::hold(Record& record, Token token) {
  record.held = true;
  record.token = token;
  by_token_.emplace(std::pair{record.claim.session, token}, &record);
  ++holders_;
  ++record.session->held;
  Use& use = users_[record.claim.user];
  --use.waiting;
  ++use.held;
  events_.emplace_back(Granted{record.claim.session, record.claim.request, token});
}

void Arbiter::refuse(Record& record, Refused::Cause cause) {
  cause.external = record.owner->external;
  events_.emplace_back(Refused{static_cast<const Entry&>(record), cause});
  leave(record);
}

// Takes the record out of its lock. The caller must then call advance() for the lock.
void Arbiter::leave(Record& record) {
  Lock& lock = *record.owner;
  const bool tried =
      lock.attempt != Lock::Attempt::none && lock.tried == record.ticket && !record.held;
  if (record.checking) {
    abandoned_.emplace(record.ticket, Owed{&lock, true});
  } else if (tried) {
    abandon(lock);
    abandoned_.emplace(record.ticket, Owed{&lock, false});
  } else {
    events_.emplace_back(Discard{record.ticket});
  }
  erase(record);
}

void Arbiter::erase(Record& record) {
  Lock& lock = *record.owner;
  if (!record.returning) {
    auto& records = record.held ? lock.holders : lock.queue;
    records.erase(Lock::Records::s_iterator_to(record));
  }
  record.in_patience.unlink();
  if (record.held) --holders_, --record.session->held;
  if (record.held && record.claim.mode == Mode::exclusive) --lock.exclusive;
  if (record.held || record.returning) by_token_.erase({record.claim.session, record.token});
  if (record.timed()) deadlines_.erase({record.deadline, record.ticket});
  Use& use = users_[record.claim.user];
  --(record.held ? use.held : use.waiting);
  use.text -= record.claim.text_bytes();
  if (use.held + use.waiting == 0) users_.erase(record.claim.user);
  by_request_.erase({record.claim.session, record.claim.request});
  auto& siblings = record.session->records;
  siblings.erase(siblings.iterator_to(record));
  records_.erase(record.ticket);
}

void Arbiter::forget_if_idle(Lock& lock) {
  const bool asked = lock.attempt != Lock::Attempt::none || lock.checks > 0;
  if (!lock.holders.empty() || !lock.queue.empty() || asked) return;
  by_file_.erase(lock.file);
  locks_.erase(lock.id);
}

// Microseconds since the epoch stay below 2^53 until the year 2255, and no daemon grants a million
// locks a second: so a stamp is larger than all of an earlier daemon's, without a state file.
std::uint64_t Arbiter::next_stamp(const Instant& now) {
  last_stamp_ = std::max(last_stamp_ + 1, stamp_at(now));
  return last_stamp_;
}

// The last stamp so far, or what the clock says if that is larger.
std::uint64_t Arbiter::stamp_at(const Instant& now) const {
  using std::chrono::microseconds;
  const auto wall = std::chrono::duration_cast<microseconds>(now.wall.time_since_epoch()).count();
  return std::max(last_stamp_, static_cast<std::uint64_t>(std::max<std::int64_t>(wall, 0)));
}

}  // namespace locketd
