// What the arbiter keeps: a record of each claim, each lock with its holders and its queue, and
// what belongs to a session. Private to arbiter*.cpp.

#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "daemon/arbiter.hpp"

namespace locketd {
namespace intrusive = boost::intrusive;

struct Arbiter::Record : Entry {
  Lock* owner = nullptr;
  Session* session = nullptr;
  Monotonic deadline = Monotonic::max();
  bool returning = false;  // a former holder, not confirmed yet: in no list of its lock
  bool checking = false;   // the kernel is being asked whether it still holds the lock
  bool impatient = false;  // refused if the next attempt does not grant it
  bool last_try = false;   // no longer held back by recovery
  bool told = false;       // Queued has been issued
  InLock in_lock;          // in the lock's holders or queue
  InPatience in_patience;  // impatient only: in the lock's at_once, in its looked, or in neither
  InSession in_session;

  [[nodiscard]] bool timed() const { return deadline != Monotonic::max(); }
};

struct Arbiter::Lock {
  struct TicketOf {
    using type = Ticket;  // NOLINT(readability-identifier-naming): Boost's name
    const Ticket& operator()(const Record& record) const { return record.ticket; }
  };
  // In order of arrival. A set, since former waiters may come back in any order.
  using Records = intrusive::set<Record, intrusive::member_hook<Record, InLock, &Record::in_lock>,
                                 intrusive::key_of_value<TicketOf>>;
  using Impatient =
      intrusive::list<Record, intrusive::member_hook<Record, InPatience, &Record::in_patience>,
                      intrusive::constant_time_size<false>>;
  enum class Attempt : std::uint8_t {
    none,
    probing,    // TryLock or LookAgain is out
    awaiting,   // AwaitLock is out: an external holder has it
    abandoned,  // one of these is out, for a waiter that left or is no longer the first
  };

  LockId id = 0;
  FileId file;
  Records holders;
  Records queue;
  Impatient at_once;            // refused when the attempt ends, unless granted
  Impatient looked;             // refused if LookAgain finds the lock still held
  std::uint32_t exclusive = 0;  // exclusive holders; several if one has released unheard
  std::uint32_t checks = 0;     // CheckLocks that are out
  Attempt attempt = Attempt::none;
  bool recovering = false;  // invariant 7
  bool external = false;    // an external holder had it when the kernel was last asked
  bool looking = false;     // the attempt is LookAgain
  Ticket tried = 0;         // the ticket that the attempt is for

  void add_holder(Record& record) {
    holders.insert(holders.end(), record);
    if (record.claim.mode == Mode::exclusive) ++exclusive;
  }
  static bool came_before(const Record& one, const Record& other) {
    return one.ticket < other.ticket;
  }
  // Puts the record into one of the two lists, and takes it out of the other. Both are in order of
  // arrival, so its place is at the end or near it.
  static void put(Record& record, Impatient& where) {
    record.in_patience.unlink();
    auto place = where.end();
    while (place != where.begin() && came_before(record, *std::prev(place))) --place;
    where.insert(place, record);
  }
  [[nodiscard]] bool admits(Mode mode) const {
    return holders.empty() || (mode == Mode::shared && exclusive == 0);
  }
  // Whether it will soon be known if the lock is free.
  [[nodiscard]] bool unsettled() const {
    return attempt == Attempt::probing || attempt == Attempt::abandoned || checks > 0 || recovering;
  }
};

struct Arbiter::Session {
  std::size_t held = 0;  // how many of the records
  intrusive::list<Record, intrusive::member_hook<Record, InSession, &Record::in_session>> records;
};

}  // namespace locketd
