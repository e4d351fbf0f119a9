// The arbiter's rules once more, as plainly as possible: one list of entries in order of arrival,
// and every question answered by searching it from the front. The arbiter is compared with this.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/arbiter.hpp"
#include "tests/unit/arbiter_texts.hpp"

namespace locketd::test {

class ArbiterModel {
 public:
  struct Member : Entry {
    bool returns = false;    // held under the former daemon; the kernel is being asked
    bool impatient = false;  // does not wait
    bool last_try = false;   // its deadline came while former claims were waited for

    [[nodiscard]] bool waits() const { return !held && !returns; }
  };

  std::optional<Ticket> acquire(const Instant& now, const Claim& claim) {
    if (with([&](const Member& e) { return is(e, claim.session, claim.request); }))
      return std::nullopt;
    return wait(claim, next_stamp(now), now);
  }

  std::optional<Ticket> reclaim(const Instant& now, Claim claim, const Former& former);

  void begin_recovery() { recovering_ = true; }
  void end_recovery() {
    recovering_ = false;
    std::vector<LockId> locks;
    for (Lock& lock : locks_) {
      if (std::exchange(lock.recovering, false)) locks.push_back(lock.id);
    }
    for (const LockId lock : locks) go_on(lock);
  }

  bool release(SessionId session, Token token) {
    const Member* entry =
        with([&](const Member& e) { return e.claim.session == session && e.token == token; });
    if (token == 0 || entry == nullptr) return false;
    const LockId lock = entry->lock;
    if (entry->held) {
      remove(entry->ticket);
    } else {
      refuse(*entry, {.why = Refused::Why::cancelled});
    }
    go_on(lock);
    return true;
  }

  bool cancel(SessionId session, RequestId request) {
    const Member* entry = with([&](const Member& e) { return is(e, session, request); });
    if (entry == nullptr) return false;
    const LockId lock = entry->lock;
    if (entry->held) {
      remove(entry->ticket);
    } else {
      refuse(*entry, {.why = Refused::Why::cancelled});
    }
    go_on(lock);
    return true;
  }

  // All its claims go, in order of arrival; only then do the locks go on, the oldest first.
  void disconnect(SessionId session) {
    std::set<LockId> locks;
    while (const Member* entry =
               with([&](const Member& e) { return e.claim.session == session; })) {
      locks.insert(entry->lock);
      remove(entry->ticket);
    }
    for (const LockId lock : locks) go_on(lock);
  }

  void stop_waiting(SessionId session) {
    std::vector<RequestId> waits;
    for (const Member& entry : entries_) {
      const bool waits_now = entry.waits();
      if (entry.claim.session == session && waits_now) waits.push_back(entry.claim.request);
    }
    for (const RequestId request : waits) cancel(session, request);
  }

  void os_result(const Instant& now, Ticket ticket, OsResult result, int os_error);

  // `due` are the claims that were due by then.
  void expire(Monotonic then, const std::vector<Ticket>& due);

  // What is wrong with the arbiter's answer when asked for up to `most` due claims; empty if
  // nothing. The arbiter may choose their order, and whether to include those for which the
  // kernel's answer is pending.
  [[nodiscard]] std::string objection_to(const std::vector<Ticket>& due, Monotonic now,
                                         std::size_t most) const;
  [[nodiscard]] std::optional<Monotonic> next_deadline() const;

  // By lock; holders before waiters; each in order of arrival.
  [[nodiscard]] Texts rows() const;

  [[nodiscard]] const std::vector<Member>& entries() const { return entries_; }
  [[nodiscard]] std::size_t lock_count() const { return locks_.size(); }
  [[nodiscard]] std::uint64_t grants() const { return grants_; }

  std::vector<Event> events;  // for the caller to take

 private:
  enum class Attempt : std::uint8_t { none, probing, awaiting, abandoned };
  struct Lock {
    LockId id = 0;
    FileId file;
    Attempt attempt = Attempt::none;
    bool external = false;  // according to the kernel's last answer
    bool recovering = false;
    Ticket tried = 0;
    bool looks = false;            // the attempt is LookAgain
    std::set<Ticket> looked = {};  // to be refused if the kernel says that the lock is still held
  };
  struct Gone {  // until the kernel is done with it
    Ticket ticket = 0;
    LockId lock = 0;
    bool checked = false;
  };

  static bool is(const Entry& entry, SessionId session, RequestId request) {
    return entry.claim.session == session && entry.claim.request == request;
  }
  // A waiter's.
  static std::optional<Monotonic> deadline(const Member& entry) {
    if (!entry.claim.timeout || entry.impatient) return std::nullopt;
    return entry.since.steady + *entry.claim.timeout;
  }

  static bool is_late(const Member& entry, Monotonic now) {
    const auto its = deadline(entry);
    return its && *its <= now;
  }

  // The first entry that meets the condition, or none.
  template <typename Condition>
  Member* with(Condition condition) {
    const auto found = std::ranges::find_if(entries_, condition);
    return found == entries_.end() ? nullptr : &*found;
  }
  Lock& lock(LockId id) { return *std::ranges::find(locks_, id, &Lock::id); }

  LockId lock_of(const FileId& file) {
    const auto found = std::ranges::find(locks_, file, &Lock::file);
    if (found != locks_.end()) return found->id;
    locks_.push_back({.id = ++last_lock_, .file = file, .recovering = recovering_});
    return last_lock_;
  }

  Member& add(const Claim& claim, Ticket ticket, const Instant& since) {
    const auto taken = [&] {
      return with([&](const Member& e) { return e.ticket == ticket; }) != nullptr ||
             std::ranges::find(gone_, ticket, &Gone::ticket) != gone_.end();
    };
    while (taken()) ++ticket;
    last_stamp_ = std::max(last_stamp_, ticket);
    Member& member = entries_.emplace_back();
    member.claim = claim;
    member.ticket = ticket;
    member.lock = lock_of(claim.file);
    member.since = since;
    return member;
  }

  // Enters at that place. If it is now the first, an attempt for the former first is abandoned.
  Ticket wait(const Claim& claim, Ticket place, const Instant& since) {
    Member& member = add(claim, place, since);
    member.impatient = claim.timeout && claim.timeout->count() == 0;
    const Ticket ticket = member.ticket;
    const LockId id = member.lock;
    if (first(id)->ticket == ticket) retract(lock(id));
    go_on(id);
    tell(ticket);
    return ticket;
  }

  Member* first(LockId id) {
    Member* first = nullptr;
    for (Member& entry : entries_) {
      if (entry.lock != id || !entry.waits()) continue;
      if (first == nullptr || entry.ticket < first->ticket) first = &entry;
    }
    return first;
  }
  bool excluded(const Member& entry) {
    return with([&](const Member& e) {
             return e.lock == entry.lock && e.held &&
                    (e.claim.mode == Mode::exclusive || entry.claim.mode == Mode::exclusive);
           }) != nullptr;
  }

  // Whether it will soon be known if the lock is free.
  [[nodiscard]] bool unsettled(const Member& entry) const {
    const Lock& its = *std::ranges::find(locks_, entry.lock, &Lock::id);
    return its.attempt == Attempt::probing || its.attempt == Attempt::abandoned ||
           is_checked(its) || its.recovering;
  }
  [[nodiscard]] bool is_checked(const Lock& lock) const {
    return std::ranges::any_of(entries_,
                               [&](const Member& e) { return e.returns && e.lock == lock.id; }) ||
           std::ranges::any_of(gone_,
                               [&](const Gone& g) { return g.checked && g.lock == lock.id; });
  }

  void answered(const Instant& now, Lock& lock, Member& entry, OsResult result, int os_error) {
    const bool retracted = std::exchange(lock.attempt, Attempt::none) == Attempt::abandoned;
    const bool its_turn = first(lock.id) == &entry;
    if (result != OsResult::busy) lock.external = false;
    const auto looked = std::exchange(lock.looked, {});
    if (std::exchange(lock.looks, false) && result == OsResult::busy) {
      if (retracted || !excluded(entry)) return;
      for (const Ticket ticket : looked) {
        const Member* left = with([&](const Member& e) { return e.ticket == ticket; });
        if (left != nullptr) refuse(*left, {.why = Refused::Why::timed_out});
      }
      return;
    }
    if (result == OsResult::failed) {
      refuse(entry, {.why = Refused::Why::os_failed, .os_error = os_error});
    } else if (result == OsResult::locked && its_turn) {
      entry.token = next_stamp(now);
      entry.since = now;
      ++grants_;
      hold(entry);
    } else if (entry.last_try && (!its_turn || excluded(entry))) {
      refuse(entry, {.why = Refused::Why::timed_out});
    } else if (result == OsResult::locked) {
      events.emplace_back(Unlock{entry.ticket});
    } else if (retracted) {
      return;
    } else if (lock.external = true; entry.impatient) {
      refuse(entry, {.why = Refused::Why::timed_out});
    } else {
      lock.attempt = Attempt::awaiting;
      lock.tried = entry.ticket;
      events.emplace_back(AwaitLock{entry.ticket, entry.claim.mode});
      tell(entry.ticket);
    }
  }

  // Asks whether the holders still hold it: once for all of a lock's claims, unless one is being
  // tried already.
  void look_again(const std::vector<std::pair<LockId, Ticket>>& held) {
    for (const auto& [id, ticket] : held) {
      Lock& its = lock(id);
      if (its.attempt != Attempt::none && !its.looks) continue;
      its.looked.insert(ticket);
      if (std::exchange(its.looks, true)) continue;
      const Member& head = *first(id);
      its.attempt = Attempt::probing;
      its.tried = head.ticket;
      events.emplace_back(LookAgain{head.ticket, head.claim.mode});
    }
  }

  void checked(Lock& lock, Member& entry, OsResult result, int os_error) {
    entry.returns = false;
    if (result == OsResult::locked) {
      lock.external = false;
      hold(entry);
      retract(lock);
    } else if (result == OsResult::failed) {
      refuse(entry, {.why = Refused::Why::os_failed, .os_error = os_error});
    } else {
      refuse(entry, {.why = Refused::Why::lost});
    }
  }

  void hold(Member& entry) {
    entry.held = true;
    events.emplace_back(Granted{entry.claim.session, entry.claim.request, entry.token});
  }

  void retract(Lock& lock) {
    if (lock.attempt != Attempt::probing && lock.attempt != Attempt::awaiting) return;
    abandon(lock);
    tell(lock.tried);
  }

  void abandon(Lock& lock) {
    if (std::exchange(lock.attempt, Attempt::abandoned) != Attempt::abandoned)
      events.emplace_back(Abandon{lock.tried});
  }

  // For tickets and tokens.
  std::uint64_t next_stamp(const Instant& now) {
    last_stamp_ = std::max(last_stamp_ + 1, clock(now));
    return last_stamp_;
  }
  static std::uint64_t clock(const Instant& now) {
    const auto wall = std::chrono::floor<std::chrono::microseconds>(now.wall);
    return static_cast<std::uint64_t>(wall.time_since_epoch().count());
  }

  // Tells a claim once that it has to wait, unless a pending answer is about to tell it.
  void tell(Ticket ticket) {
    const Member& entry = *std::ranges::find(entries_, ticket, &Entry::ticket);
    const Lock& its = lock(entry.lock);
    const bool probed = its.attempt == Attempt::probing && its.tried == ticket;
    if (!entry.waits() || entry.impatient || probed || !told_.insert(ticket).second) return;
    events.emplace_back(Queued{entry.claim.session, entry.claim.request, ticket});
  }

  void refuse(const Entry& entry, Refused::Cause cause) {
    cause.external = lock(entry.lock).external;
    events.emplace_back(Refused{entry, cause});
    remove(entry.ticket);
  }

  void remove(Ticket ticket) {
    const auto entry = std::ranges::find(entries_, ticket, &Entry::ticket);
    Lock& its = lock(entry->lock);
    if (entry->returns) {
      gone_.push_back({.ticket = ticket, .lock = its.id, .checked = true});
    } else if (entry->waits() && its.attempt != Attempt::none && its.tried == ticket) {
      abandon(its);
      gone_.push_back({.ticket = ticket, .lock = its.id});
    } else {
      events.emplace_back(Discard{ticket});
    }
    told_.erase(ticket);
    entries_.erase(entry);
  }

  // Tries the first waiter if its mode is compatible with all holders'; forgets a lock without
  // claims.
  void go_on(LockId id) {
    Lock& its = lock(id);
    if (its.attempt != Attempt::none || is_checked(its)) return;
    const bool used = with([&](const Member& e) { return e.lock == id; }) != nullptr;
    if (!used) return (void)std::erase_if(locks_, [&](const Lock& l) { return l.id == id; });
    const Member* next = first(id);
    if (next == nullptr || (its.recovering && !next->last_try) || excluded(*next)) return;
    its.attempt = Attempt::probing;
    its.tried = next->ticket;
    events.emplace_back(TryLock{next->ticket, next->claim.mode});
  }

  std::vector<Member> entries_;  // in order of arrival
  std::vector<Lock> locks_;      // in the order in which they became known
  std::vector<Gone> gone_;
  std::set<Ticket> told_;
  bool recovering_ = false;
  LockId last_lock_ = 0;
  std::uint64_t last_stamp_ = 0;
  std::uint64_t grants_ = 0;
};

}  // namespace locketd::test
