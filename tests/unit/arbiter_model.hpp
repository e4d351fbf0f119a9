// The arbiter's rules once more, as plainly as can be: one list of entries in order of arrival, and
// every question answered by looking through it from the front. What the arbiter is compared with.

#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/arbiter.hpp"
#include "proto/codec.hpp"

namespace locketd::test {

using Texts = std::vector<std::string>;

inline std::string describe(const Entry& entry) {
  return fmt::format("ticket {} lock {} session {} request {} {} {} token {} since {}",
                     entry.ticket, entry.lock, entry.claim.session, entry.claim.request,
                     locket::proto::name_of(entry.claim.mode), entry.held ? "held" : "waiting",
                     entry.token, entry.since.steady.time_since_epoch().count());
}

inline std::string describe(const Granted& event) {
  return fmt::format("granted session {} request {} token {}", event.session, event.request,
                     event.token);
}
inline std::string describe(const Queued& event) {
  return fmt::format("queued session {} request {} ticket {}", event.session, event.request,
                     event.ticket);
}
inline std::string describe(const Refused& event) {
  return fmt::format("refused {} why {} os_error {} external {}", describe(event.entry),
                     static_cast<int>(event.cause.why), event.cause.os_error, event.cause.external);
}
inline std::string describe(const TryLock& event) {
  return fmt::format("try {} {}", event.ticket, locket::proto::name_of(event.mode));
}
inline std::string describe(const AwaitLock& event) {
  return fmt::format("await {} {}", event.ticket, locket::proto::name_of(event.mode));
}
inline std::string describe(const Abandon& event) {
  return fmt::format("abandon {}", event.ticket);
}
inline std::string describe(const CheckLock& event) {
  return fmt::format("check {} {}", event.ticket, locket::proto::name_of(event.mode));
}
inline std::string describe(const Unlock& event) {
  return fmt::format("unlock {}", event.ticket);
}
inline std::string describe(const Discard& event) {
  return fmt::format("discard {}", event.ticket);
}

inline std::string describe(const Event& event) {
  return std::visit([](const auto& known) { return describe(known); }, event);
}

class ArbiterModel {
 public:
  std::optional<Ticket> acquire(const Instant& now, const Claim& claim) {
    if (with([&](const Entry& e) { return is(e, claim.session, claim.request); }))
      return std::nullopt;
    const LockId lock = lock_of(claim.file);
    const Ticket ticket = next_stamp(now);
    entries_.push_back(
        {.claim = claim, .ticket = ticket, .lock = lock, .held = false, .token = 0, .since = now});
    go_on(lock);
    tell(ticket);
    return ticket;
  }

  bool release(SessionId session, Token token) {
    const Entry* entry = with(
        [&](const Entry& e) { return e.held && e.claim.session == session && e.token == token; });
    if (entry == nullptr) return false;
    const LockId lock = entry->lock;
    remove(entry->ticket);
    go_on(lock);
    return true;
  }

  bool cancel(SessionId session, RequestId request) {
    const Entry* entry = with([&](const Entry& e) { return is(e, session, request); });
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

  // Everything goes, in order of arrival; only then the locks go on, the oldest first.
  void disconnect(SessionId session) {
    std::set<LockId> locks;
    while (const Entry* entry = with([&](const Entry& e) { return e.claim.session == session; })) {
      locks.insert(entry->lock);
      remove(entry->ticket);
    }
    for (const LockId lock : locks) go_on(lock);
  }

  void stop_waiting(SessionId session) {
    std::vector<RequestId> waits;
    for (const Entry& entry : entries_) {
      if (entry.claim.session == session && !entry.held) waits.push_back(entry.claim.request);
    }
    for (const RequestId request : waits) cancel(session, request);
  }

  void os_result(const Instant& now, Ticket ticket, OsResult result, int os_error) {
    const auto tried = [&](const Lock& lock) { return lock.tried == ticket; };
    Lock& lock = *std::ranges::find_if(locks_, tried);
    const LockId id = lock.id;
    lock.tried = 0;
    if (std::exchange(lock.attempt, Attempt::none) == Attempt::abandoned) {
      if (result == OsResult::locked) lock.external = false;
      events.emplace_back(Discard{ticket});
    } else {
      answered(now, lock, *with([&](const Entry& e) { return e.ticket == ticket; }), result,
               os_error);
    }
    go_on(id);
  }

  void expire(const std::vector<Ticket>& due) {
    for (const Ticket ticket : due) {
      const Entry* entry = with([&](const Entry& e) { return e.ticket == ticket && !e.held; });
      if (entry == nullptr || (at_once(*entry) && unsettled(*entry))) continue;
      const LockId lock = entry->lock;
      refuse(*entry, {.why = Refused::Why::timed_out});
      go_on(lock);
    }
  }

  // What is wrong with the arbiter's view of who is due, of whom `most` were asked for; empty where
  // it is right. In which order they are called, and whether those are among them whose turn is
  // being found out, is its affair.
  [[nodiscard]] std::string objection_to(const std::vector<Ticket>& due, Monotonic now,
                                         std::size_t most) const {
    const std::set<Ticket> named(due.begin(), due.end());
    if (named.size() != due.size()) return "one is due twice";
    if (due.size() > most) return "more are due than were asked for";
    std::size_t waiting = 0;
    std::size_t impatient = 0;
    for (const Entry& entry : entries_) {
      if (entry.held || !named.contains(entry.ticket)) continue;
      ++waiting;
      impatient += at_once(entry) ? 1 : 0;
      if (!at_once(entry) && !is_late(entry, now)) return "too early: " + describe(entry);
    }
    if (waiting != due.size()) return "one is due that does not wait";
    if (impatient > most / 2) return "those that do not wait keep the others from their turn";
    for (const Entry& entry : entries_) {
      if (entry.held || named.contains(entry.ticket)) continue;
      const bool must = at_once(entry) ? !unsettled(entry) && impatient < most / 2
                                       : is_late(entry, now) && due.size() < most;
      if (must) return "not due: " + describe(entry);
    }
    return "";
  }

  [[nodiscard]] std::optional<Monotonic> next_deadline() const {
    std::optional<Monotonic> next;
    for (const Entry& entry : entries_) {
      const auto own = entry.held ? std::nullopt : deadline(entry);
      if (own && (!next || *own < *next)) next = own;
    }
    return next;
  }

  // By lock; holders before waiters; each in order of arrival.
  [[nodiscard]] Texts rows() const {
    Texts rows;
    for (const Lock& lock : locks_) {
      for (const bool held : {true, false}) {
        for (const Entry& entry : entries_) {
          if (entry.lock != lock.id || entry.held != held) continue;
          rows.push_back(describe(entry) + (lock.external ? " external" : ""));
        }
      }
    }
    return rows;
  }

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::size_t lock_count() const { return locks_.size(); }
  [[nodiscard]] std::uint64_t grants() const { return grants_; }

  std::vector<Event> events;  // for the caller to take

 private:
  enum class Attempt : std::uint8_t { none, probing, awaiting, abandoned };
  struct Lock {
    LockId id = 0;
    FileId file;
    Attempt attempt = Attempt::none;
    bool external = false;  // by the kernel's last answer
    Ticket tried = 0;
  };

  static bool is(const Entry& entry, SessionId session, RequestId request) {
    return entry.claim.session == session && entry.claim.request == request;
  }
  static bool at_once(const Entry& entry) {
    return entry.claim.timeout && entry.claim.timeout->count() == 0;
  }
  // Of a waiter.
  static std::optional<Monotonic> deadline(const Entry& entry) {
    if (!entry.claim.timeout || at_once(entry)) return std::nullopt;
    return entry.since.steady + *entry.claim.timeout;
  }

  static bool is_late(const Entry& entry, Monotonic now) {
    const auto its = deadline(entry);
    return its && *its <= now;
  }

  // The first entry like that, or none.
  template <typename Condition>
  Entry* with(Condition condition) {
    const auto found = std::ranges::find_if(entries_, condition);
    return found == entries_.end() ? nullptr : &*found;
  }
  Lock& lock(LockId id) { return *std::ranges::find(locks_, id, &Lock::id); }

  LockId lock_of(const FileId& file) {
    const auto found = std::ranges::find(locks_, file, &Lock::file);
    if (found != locks_.end()) return found->id;
    locks_.push_back({.id = ++last_lock_, .file = file});
    return last_lock_;
  }

  // Whether the lock can be had is about to be known.
  [[nodiscard]] bool unsettled(const Entry& entry) const {
    const Attempt attempt = std::ranges::find(locks_, entry.lock, &Lock::id)->attempt;
    return attempt == Attempt::probing || attempt == Attempt::abandoned;
  }

  void answered(const Instant& now, Lock& lock, Entry& entry, OsResult result, int os_error) {
    lock.external = result == OsResult::busy;
    if (result == OsResult::locked) {
      entry.held = true;
      entry.token = next_stamp(now);
      entry.since = now;
      ++grants_;
      events.emplace_back(Granted{entry.claim.session, entry.claim.request, entry.token});
    } else if (result == OsResult::failed) {
      refuse(entry, {.why = Refused::Why::os_failed, .os_error = os_error});
    } else if (at_once(entry)) {
      refuse(entry, {.why = Refused::Why::timed_out});
    } else {
      lock.attempt = Attempt::awaiting;
      lock.tried = entry.ticket;
      events.emplace_back(AwaitLock{entry.ticket, entry.claim.mode});
      tell(entry.ticket);
    }
  }

  // Tickets and tokens.
  std::uint64_t next_stamp(const Instant& now) {
    const auto wall = std::chrono::floor<std::chrono::microseconds>(now.wall);
    last_stamp_ = std::max<std::uint64_t>(
        last_stamp_ + 1, static_cast<std::uint64_t>(wall.time_since_epoch().count()));
    return last_stamp_;
  }

  // Once, whoever has to wait and cannot know so by an answer that is about to come.
  void tell(Ticket ticket) {
    const Entry& entry = *std::ranges::find(entries_, ticket, &Entry::ticket);
    const Lock& its = lock(entry.lock);
    const bool probed = its.attempt == Attempt::probing && its.tried == ticket;
    if (entry.held || at_once(entry) || probed || !told_.insert(ticket).second) return;
    events.emplace_back(Queued{entry.claim.session, entry.claim.request, ticket});
  }

  void refuse(const Entry& entry, Refused::Cause cause) {
    cause.external = lock(entry.lock).external;
    events.emplace_back(Refused{entry, cause});
    remove(entry.ticket);
  }

  void remove(Ticket ticket) {
    const auto entry = std::ranges::find(entries_, ticket, &Entry::ticket);
    if (Lock& its = lock(entry->lock); its.tried == ticket) {
      its.attempt = Attempt::abandoned;
      events.emplace_back(Abandon{ticket});
    } else {
      events.emplace_back(Discard{ticket});
    }
    entries_.erase(entry);
  }

  // Tries the first waiter where it goes with all holders; forgets a lock that nobody uses.
  void go_on(LockId id) {
    Lock& its = lock(id);
    if (its.attempt != Attempt::none) return;
    const Entry* first = with([&](const Entry& e) { return e.lock == id && !e.held; });
    const bool others = with([&](const Entry& e) { return e.lock == id && e.held; }) != nullptr;
    const bool exclusive = with([&](const Entry& e) {
                             return e.lock == id && e.held && e.claim.mode == Mode::exclusive;
                           }) != nullptr;
    if (first == nullptr) {
      if (!others) std::erase_if(locks_, [&](const Lock& lock) { return lock.id == id; });
    } else if (!others || (!exclusive && first->claim.mode == Mode::shared)) {
      its.attempt = Attempt::probing;
      its.tried = first->ticket;
      events.emplace_back(TryLock{first->ticket, first->claim.mode});
    }
  }

  std::vector<Entry> entries_;
  std::vector<Lock> locks_;  // in the order in which they became known
  std::set<Ticket> told_;
  LockId last_lock_ = 0;
  std::uint64_t last_stamp_ = 0;
  std::uint64_t grants_ = 0;
};

}  // namespace locketd::test
