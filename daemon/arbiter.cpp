#include "daemon/arbiter.hpp"

#include <algorithm>

namespace locketd {
namespace intrusive = boost::intrusive;

struct Arbiter::Record : Entry {
  Lock* owner = nullptr;
  Session* session = nullptr;
  Monotonic deadline = Monotonic::max();
  Hook in_lock;  // in the lock's holders or queue
  Hook in_session;

  [[nodiscard]] bool at_once() const { return claim.timeout && claim.timeout->count() == 0; }
  [[nodiscard]] bool timed() const { return deadline != Monotonic::max(); }
};

struct Arbiter::Lock {
  using Records = intrusive::list<Record, intrusive::member_hook<Record, Hook, &Record::in_lock>>;
  enum class Attempt : std::uint8_t {
    none,
    probing,    // TryLock is out
    awaiting,   // AwaitLock is out: an external process has it
    abandoned,  // either is out, for a waiter that left
  };

  LockId id = 0;
  FileId file;
  Records holders;
  Records queue;
  Attempt attempt = Attempt::none;
  bool external = false;        // when the kernel was last asked, somebody else had it
  std::vector<Ticket> at_once;  // refused, if not granted, as soon as the attempt has ended

  [[nodiscard]] bool admits(Mode mode) const {
    return holders.empty() || (mode == Mode::shared && holders.front().claim.mode == Mode::shared);
  }
  // Whether the lock can be had is about to be known.
  [[nodiscard]] bool unsettled() const {
    return attempt == Attempt::probing || attempt == Attempt::abandoned;
  }
};

struct Arbiter::Session {
  intrusive::list<Record, intrusive::member_hook<Record, Hook, &Record::in_session>> records;
};

Arbiter::Arbiter() = default;

Arbiter::~Arbiter() {
  // Intrusive lists must be empty before what they link goes.
  for (auto& [id, lock] : locks_) lock->holders.clear(), lock->queue.clear();
  for (auto& [id, session] : sessions_) session->records.clear();
}

std::optional<Ticket> Arbiter::acquire(const Instant& now, Claim claim) {
  const auto [slot, is_new] = by_request_.try_emplace({claim.session, claim.request}, nullptr);
  if (!is_new) return std::nullopt;

  auto owned = std::make_unique<Record>();
  Record& record = *owned;
  slot->second = &record;
  record.ticket = ++last_ticket_;
  record.since = now;
  record.claim = std::move(claim);
  records_.emplace(record.ticket, std::move(owned));

  auto& session = sessions_[record.claim.session];
  if (!session) session = std::make_unique<Session>();
  record.session = session.get();
  session->records.push_back(record);

  Lock& lock = lock_for(record.claim.file);
  record.owner = &lock;
  record.lock = lock.id;
  lock.queue.push_back(record);
  if (record.at_once()) {
    lock.at_once.push_back(record.ticket);
  } else if (record.claim.timeout) {
    record.deadline = now.steady + *record.claim.timeout;
    deadlines_.emplace(record.deadline, record.ticket);
  }
  advance(lock);
  return record.ticket;
}

bool Arbiter::release(SessionId session, Token token) {
  const auto found = by_token_.find(token);
  if (found == by_token_.end() || found->second->claim.session != session) return false;
  Record& record = *found->second;
  Lock& lock = *record.owner;
  leave(record);
  advance(lock);
  return true;
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
  // All leave before any lock goes on to its next waiter: that could be one of them.
  std::vector<Lock*> locks;
  auto& records = found->second->records;
  for (std::size_t left = records.size(); left > 0; --left) {  // the last takes `records` along
    locks.push_back(records.front().owner);
    leave(records.front());
  }
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
    if (!record.held) waits.push_back(record.claim.request);
  }
  for (const RequestId request : waits) cancel(session, request);
}

void Arbiter::os_result(const Instant& now, Ticket ticket, OsResult result, int os_error) {
  if (const auto left = abandoned_.find(ticket); left != abandoned_.end()) {
    Lock& lock = *left->second;
    abandoned_.erase(left);
    lock.attempt = Lock::Attempt::none;
    if (result == OsResult::locked) lock.external = false;
    events_.emplace_back(Discard{ticket});
    advance(lock);
    return;
  }
  if (const auto found = records_.find(ticket); found != records_.end()) {
    Record& record = *found->second;
    attempt_ended(now, *record.owner, record, result, os_error);
  }
}

void Arbiter::attempt_ended(const Instant& now, Lock& lock, Record& record, OsResult result,
                            int os_error) {
  lock.attempt = Lock::Attempt::none;
  lock.external = result == OsResult::busy;
  if (result == OsResult::locked) {
    grant(now, record);
  } else if (result == OsResult::failed) {
    refuse(record, {.why = Refused::Why::os_failed, .os_error = os_error});
  } else if (record.at_once()) {
    refuse(record, {.why = Refused::Why::timed_out});
  } else {
    lock.attempt = Lock::Attempt::awaiting;
    events_.emplace_back(AwaitLock{record.ticket, record.claim.mode});
  }
  advance(lock);
}

std::optional<Monotonic> Arbiter::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

std::vector<Ticket> Arbiter::due(Monotonic now, std::size_t most) {
  std::vector<Ticket> due;
  // Half of them at most, so that a flood of these does not make others late (C3).
  for (; !due_at_once_.empty() && due.size() < most / 2; due_at_once_.pop_front()) {
    const auto found = records_.find(due_at_once_.front());
    if (found != records_.end() && !found->second->held) due.push_back(due_at_once_.front());
  }
  for (const auto& [deadline, ticket] : deadlines_) {
    if (deadline > now || due.size() >= most) break;
    due.push_back(ticket);
  }
  return due;
}

void Arbiter::expire(const std::vector<Ticket>& due) {
  for (const Ticket ticket : due) {
    const auto found = records_.find(ticket);
    if (found == records_.end() || found->second->held) continue;
    Lock& lock = *found->second->owner;
    if (found->second->at_once() && lock.unsettled()) {
      // What the last chance brought is still on its way through the kernel.
      lock.at_once.push_back(ticket);
      continue;
    }
    refuse(*found->second, {.why = Refused::Why::timed_out});
    advance(lock);
  }
}

std::vector<SessionId> Arbiter::blockers(Ticket ticket) const {
  std::vector<SessionId> sessions;
  const auto found = records_.find(ticket);
  if (found == records_.end()) return sessions;
  for (const Record& holder : found->second->owner->holders) {
    sessions.push_back(holder.claim.session);
  }
  return sessions;
}

std::vector<SessionId> Arbiter::blockers(const std::vector<Ticket>& tickets) const {
  std::vector<SessionId> sessions;
  std::set<LockId> seen;
  for (const Ticket ticket : tickets) {
    const auto found = records_.find(ticket);
    if (found == records_.end() || !seen.insert(found->second->lock).second) continue;
    const auto more = blockers(ticket);
    sessions.insert(sessions.end(), more.begin(), more.end());
  }
  return sessions;
}

std::vector<SessionId> Arbiter::holding_sessions() const {
  std::vector<SessionId> sessions;
  for (const auto& [session, entry] : sessions_) {
    const auto held = [](const Record& record) { return record.held; };
    if (std::ranges::any_of(entry->records, held)) sessions.push_back(session);
  }
  return sessions;
}

std::optional<Event> Arbiter::next_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Arbiter::Lock& Arbiter::lock_for(const FileId& file) {
  Lock*& lock = by_file_[file];
  if (lock == nullptr) {
    auto owned = std::make_unique<Lock>();
    owned->id = ++last_lock_;
    owned->file = file;
    lock = owned.get();
    locks_.emplace_hint(locks_.end(), owned->id, std::move(owned));
  }
  return *lock;
}

// Goes on with the queue as far as nobody's answer is needed.
void Arbiter::advance(Lock& lock) {
  if (lock.attempt == Lock::Attempt::none && !lock.queue.empty()) {
    const Record& head = lock.queue.front();
    if (lock.admits(head.claim.mode)) {
      lock.attempt = Lock::Attempt::probing;
      events_.emplace_back(TryLock{head.ticket, head.claim.mode});
    }
  }
  settle_at_once(lock);
  forget_if_idle(lock);
}

// Who does not wait is due as soon as it is known that somebody is in the way. While an attempt is
// under way that is not known yet, and the answer is near.
void Arbiter::settle_at_once(Lock& lock) {
  if (lock.unsettled()) return;
  due_at_once_.insert(due_at_once_.end(), lock.at_once.begin(), lock.at_once.end());
  lock.at_once.clear();
}

void Arbiter::grant(const Instant& now, Record& record) {
  Lock& lock = *record.owner;
  lock.queue.erase(Lock::Records::s_iterator_to(record));
  lock.holders.push_back(record);
  if (record.timed()) deadlines_.erase({record.deadline, record.ticket});
  record.deadline = Monotonic::max();
  record.held = true;
  record.since = now;
  record.token = next_token(now);
  by_token_.emplace(record.token, &record);
  ++holders_;
  ++grants_;
  events_.emplace_back(Granted{record.claim.session, record.claim.request, record.token});
}

void Arbiter::refuse(Record& record, Refused::Cause cause) {
  cause.external = record.owner->external;
  events_.emplace_back(Refused{static_cast<const Entry&>(record), cause});
  leave(record);
}

// Takes the record out of its lock. The lock itself goes on by advance(), which the caller owes.
void Arbiter::leave(Record& record) {
  Lock& lock = *record.owner;
  const bool tried = lock.attempt != Lock::Attempt::none &&
                     lock.attempt != Lock::Attempt::abandoned && !record.held &&
                     &record == &lock.queue.front();
  if (tried) {
    lock.attempt = Lock::Attempt::abandoned;
    abandoned_.emplace(record.ticket, &lock);
    events_.emplace_back(Abandon{record.ticket});
  } else {
    events_.emplace_back(Discard{record.ticket});
  }
  erase(record);
}

void Arbiter::erase(Record& record) {
  Lock& lock = *record.owner;
  auto& list = record.held ? lock.holders : lock.queue;
  list.erase(Lock::Records::s_iterator_to(record));
  if (record.held) {
    --holders_;
    by_token_.erase(record.token);
  }
  if (record.timed()) deadlines_.erase({record.deadline, record.ticket});
  by_request_.erase({record.claim.session, record.claim.request});
  auto& siblings = record.session->records;
  siblings.erase(siblings.iterator_to(record));
  if (siblings.empty()) sessions_.erase(record.claim.session);
  records_.erase(record.ticket);
}

void Arbiter::forget_if_idle(Lock& lock) {
  if (!lock.holders.empty() || !lock.queue.empty() || lock.attempt != Lock::Attempt::none) return;
  by_file_.erase(lock.file);
  locks_.erase(lock.id);
}

// Microseconds since the epoch stay below 2^53 until the year 2255, and no daemon grants a million
// locks a second: so a token is larger than all of an earlier daemon's, with no file to keep.
Token Arbiter::next_token(const Instant& now) {
  using std::chrono::microseconds;
  const auto wall = std::chrono::duration_cast<microseconds>(now.wall.time_since_epoch()).count();
  last_token_ = std::max(last_token_ + 1, static_cast<Token>(std::max<std::int64_t>(wall, 0)));
  return last_token_;
}

bool Arbiter::visit_lock(const Lock& lock, Ticket after, const Visitor& visitor) const {
  for (const auto* records : {&lock.holders, &lock.queue}) {
    for (const Record& record : *records) {
      if (record.ticket > after && !visitor(record, lock.external)) return false;
    }
  }
  return true;
}

void Arbiter::visit(const Cursor& after, const Visitor& visitor) const {
  for (auto lock = locks_.lower_bound(after.lock); lock != locks_.end(); ++lock) {
    const Ticket skip = lock->first == after.lock ? after.ticket : 0;
    if (!visit_lock(*lock->second, skip, visitor)) return;
  }
}

void Arbiter::visit(const FileId& file, const Cursor& after, const Visitor& visitor) const {
  const auto found = by_file_.find(file);
  if (found != by_file_.end()) visit_lock(*found->second, after.ticket, visitor);
}

Arbiter::Counts Arbiter::counts() const {
  return {locks_.size(), holders_, records_.size() - holders_, grants_};
}

std::size_t Arbiter::holders_of(const FileId& file) const {
  const auto found = by_file_.find(file);
  return found == by_file_.end() ? 0 : found->second->holders.size();
}

std::size_t Arbiter::waiters_of(const FileId& file) const {
  const auto found = by_file_.find(file);
  return found == by_file_.end() ? 0 : found->second->queue.size();
}

std::size_t Arbiter::entries_of(SessionId session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? 0 : found->second->records.size();
}

}  // namespace locketd
