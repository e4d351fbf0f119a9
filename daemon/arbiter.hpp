// Who holds what, who waits, and who is next.
//
// Role: Dispatch reports what happened, and the arbiter answers with events. It alone decides about
// order, and its state is what `list` shows. Pure: no sockets, no clock, no kernel; `now` comes in,
// events come out, and the kernel's answers come in as os_result(). Owned by Dispatch, lives as
// long as the daemon. One thread only.
//
// Invariants:
//  1. A lock is known while a session holds it, waits for it or reclaims it, or while the OS layer
//     owes an answer about it.
//  2. Waiters are served strictly in order of arrival (C4): only the head of a queue is ever tried,
//     and only when its mode is compatible with all holders. But before a claim that does not wait
//     is refused because of holders, the kernel is asked once whether they still hold the lock: a
//     release counts from when the holder's unlock returned, not from when the daemon hears of it
//     (C7).
//  3. At most one attempt (TryLock, perhaps followed by AwaitLock; or LookAgain) is under way per
//     lock, and none begins while CheckLocks are outstanding, of which there may be several. An
//     attempt for a waiter that leaves, or that is no longer the first, is abandoned: the lock
//     stays busy until the OS layer has reported how the attempt ended, so that a lock which the
//     attempt itself took for a moment is never mistaken for an external holder's.
//  4. No claim becomes a holder before the kernel has said yes (C6): Granted comes only after
//     os_result().
//  5. Each claim gets exactly one Granted or Refused, unless its session disconnects first; its
//     ticket gets exactly one Discard, after which the ticket means nothing.
//  6. This daemon's own stamps (tickets, tokens) come from one counter that strictly increases:
//     always within this process, and across restarts as far as the wall clock does, so that an
//     earlier daemon's stamps are smaller. The tickets and tokens of reclaim() are whatever clients
//     state: a ticket that is taken moves on to the next free one, and one that the counter has not
//     reached yet is ignored, so that no newcomer ever goes ahead of a claim that is already there.
//     Two sessions may state the same token.
//  7. During recovery no lock is tried: a client that waited under the previous daemon returns to a
//     place ahead of all newcomers (C9). Former holders are holders again at once, and a claim that
//     wants an answer at once is answered when recovery ends. Only for the head of a queue whose
//     deadline comes meanwhile is the lock tried, since a free lock must not look taken (C3).

#pragma once

#include <boost/container/map.hpp>
#include <boost/container_hash/hash.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set_hook.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/messages.hpp"

namespace locketd {

using locket::proto::Cursor;
using locket::proto::FileId;
using locket::proto::Mode;
using locket::proto::RequestId;
using locket::proto::Ticket;
using locket::proto::Token;

using SessionId = std::uint64_t;
using LockId = std::uint64_t;
using UserId = std::uint32_t;

struct HashFile {
  std::size_t operator()(const FileId& file) const {
    return boost::hash<std::pair<std::uint64_t, std::uint64_t>>{}({file.device, file.inode});
  }
};

using Monotonic = std::chrono::steady_clock::time_point;

struct Instant {
  Monotonic steady;                            // deadlines and ages
  std::chrono::system_clock::time_point wall;  // what people read, and the base of tokens
};

// What a session asks for.
struct Claim {
  SessionId session = 0;
  UserId user = 0;  // that the session belongs to
  RequestId request = 0;
  FileId file = {};
  Mode mode = Mode::exclusive;
  std::optional<std::chrono::nanoseconds> timeout = {};  // none: for ever; 0: at once or not at all
  std::string path = {};
  std::string reason = {};

  [[nodiscard]] std::size_t text_bytes() const { return path.size() + reason.size(); }
};

// What the previous daemon knew of a claim.
struct Former {
  Ticket ticket = 0;                // its place; 0: the client was never told it
  std::optional<Token> token;       // of a holder; none: it was waiting
  std::chrono::nanoseconds age{0};  // since the grant, or since the arrival
};

// One holder or waiter, as anyone may see it.
struct Entry {
  Claim claim;
  Ticket ticket = 0;
  LockId lock = 0;
  bool held = false;
  Token token = 0;  // held only
  Instant since;    // of the grant, or of the arrival
};

enum class OsResult : std::uint8_t {
  locked,  // the kernel lock is ours
  busy,    // a process has it without this daemon; for CheckLock: not locked by us
  failed,  // the kernel cannot lock this file
};

// To the session.
struct Granted {
  SessionId session;
  RequestId request;
  Token token;
};

// To the session, ahead of Granted or Refused, if the claim has to wait.
struct Queued {
  SessionId session;
  RequestId request;
  Ticket ticket;
};

struct Refused {
  enum class Why : std::uint8_t { timed_out, cancelled, os_failed, lost };
  struct Cause {
    Why why = Why::timed_out;
    int os_error = 0;       // os_failed only
    bool external = false;  // the kernel says that a process has it without this daemon
  };

  Entry entry;
  Cause cause;
};

// To the OS layer, which answers each TryLock, LookAgain, AwaitLock and CheckLock with one
// os_result(), also after an Abandon.
struct TryLock {
  Ticket ticket;
  Mode mode;
};
struct LookAgain {  // like TryLock, behind a holder of ours that may have released unheard
  Ticket ticket;
  Mode mode;
};
struct AwaitLock {
  Ticket ticket;
  Mode mode;
};
struct CheckLock {  // does this very descriptor have the lock already? Does not lock: see OsLocks
  Ticket ticket;
  Mode mode;
};
struct Abandon {  // the answer no longer matters; hurry it
  Ticket ticket;
};
struct Unlock {  // undoes a lock: it was not this waiter's turn
  Ticket ticket;
};
struct Discard {  // unlock if locked, and forget the descriptor
  Ticket ticket;
};

using Event = std::variant<Granted, Queued, Refused, TryLock, LookAgain, AwaitLock, CheckLock,
                           Abandon, Unlock, Discard>;

class Arbiter {
 public:
  Arbiter();
  ~Arbiter();
  Arbiter(const Arbiter&) = delete;
  Arbiter& operator=(const Arbiter&) = delete;

  // None if the session already has a request with this id, under way or held.
  std::optional<Ticket> acquire(const Instant& now, Claim claim);

  // A claim that the previous daemon knew. A holder is a holder again as soon as the kernel agrees,
  // whatever waits in the queue, and is refused as lost if the kernel does not agree; a waiter
  // returns to its former place. The timeout is what is left of it. None as for acquire(), and if
  // the session already holds or reclaims that token.
  std::optional<Ticket> reclaim(const Instant& now, Claim claim, const Former& former);

  // Between begin_recovery() and end_recovery() newcomers wait for the previous daemon's clients
  // (invariant 7). begin_recovery() must be the first call.
  void begin_recovery() { recovering_ = true; }
  void end_recovery();

  // None, and nothing changes, if this session holds no such token.
  std::optional<Ticket> release(SessionId session, Token token);

  // Ends the wait, or releases the grant; false if there is neither.
  bool cancel(SessionId session, RequestId request);

  // Gives up everything that the session holds or waits for.
  void disconnect(SessionId session);

  // Gives up everything that the session waits for; what it holds stays.
  void stop_waiting(SessionId session);

  void os_result(const Instant& now, Ticket ticket, OsResult result, int os_error = 0);

  // Time. The caller asks which claims are due, gives the holders in the way a last chance to be
  // heard (C7), and then expires those claims; one that was granted meanwhile is left alone. At
  // most `most` at a time: the others are due the next time.
  [[nodiscard]] std::optional<Monotonic> next_deadline() const;
  [[nodiscard]] bool has_due(Monotonic now) const;
  std::vector<Ticket> due(Monotonic now, std::size_t most = SIZE_MAX);
  void expire(const std::vector<Ticket>& due);

  // The sessions that hold the lock which this ticket waits for.
  [[nodiscard]] std::vector<SessionId> blockers(Ticket ticket) const;
  [[nodiscard]] std::vector<FileId> files_of(const std::vector<Ticket>& tickets) const;
  [[nodiscard]] std::vector<SessionId> holding_sessions() const;

  std::optional<Event> next_event();

  // Visits entries after the cursor, holders before waiters, each in order, until the visitor
  // returns false. `external`: the waiters of this lock wait for an external holder.
  using Visitor = std::function<bool(const Entry& entry, bool external)>;
  void visit(const Cursor& after, const Visitor& visitor) const;
  void visit(const FileId& file, const Cursor& after, const Visitor& visitor) const;

  // Only the holders of that lock, after that ticket.
  void visit_holders(const FileId& file, Ticket after, const Visitor& visitor) const;

  // The ticket of the lock that the session holds by that token.
  [[nodiscard]] std::optional<Ticket> ticket_of(SessionId session, Token token) const;

  // Whether the session holds or reclaims that token.
  [[nodiscard]] bool uses(SessionId session, Token token) const;

  // All entries of the session.
  void visit_session(SessionId session, const std::function<void(const Entry&)>& visitor) const;

  struct Counts {
    std::size_t locks = 0;
    std::size_t holders = 0;
    std::size_t waiters = 0;
    std::uint64_t grants = 0;
  };
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] std::size_t holder_count(const FileId& file) const;
  [[nodiscard]] std::size_t waiter_count(const FileId& file) const;
  [[nodiscard]] std::size_t claim_count(SessionId session) const;

  struct Use {
    std::size_t held = 0;
    std::size_t waiting = 0;
    std::size_t text = 0;  // bytes, of both
  };
  [[nodiscard]] Use use_of(UserId user) const;

 private:
  struct Record;
  struct Lock;
  struct Session;
  using InSession = boost::intrusive::list_member_hook<>;
  using InPatience = boost::intrusive::list_member_hook<
      boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  using InLock = boost::intrusive::set_member_hook<boost::intrusive::optimize_size<true>>;

  Lock& lock_for(const FileId& file);
  Record* add(const Instant& now, Claim claim, Ticket ticket);
  void enqueue(Lock& lock, Record& record);
  void tell(Record& record);
  void advance(Lock& lock);
  void settle_at_once(Lock& lock);
  void look_again(Lock& lock);
  void end_look(Lock& lock, bool still_held);
  void grant(const Instant& now, Record& record);
  void hold(Record& record, Token token);
  void refuse(Record& record, Refused::Cause cause);
  void attempt_ended(const Instant& now, Lock& lock, Record& record, OsResult result, int os_error);
  void check_ended(Lock& lock, Record& record, OsResult result, int os_error);
  void retract(Lock& lock);
  void abandon(Lock& lock);
  void last_try(Lock& lock, Record& record);
  void leave(Record& record);
  void erase(Record& record);
  void forget_if_idle(Lock& lock);
  std::uint64_t next_stamp(const Instant& now);
  [[nodiscard]] std::uint64_t stamp_at(const Instant& now) const;
  bool visit_lock(const Lock& lock, const Cursor& after, const Visitor& visitor) const;

  template <typename Key, typename Value, typename Hash = boost::hash<Key>>
  using FlatMap = boost::unordered_flat_map<Key, Value, Hash>;

  boost::container::map<LockId, Lock> locks_;  // ordered, for cursors
  FlatMap<FileId, Lock*, HashFile> by_file_;
  FlatMap<Ticket, std::unique_ptr<Record>> records_;
  FlatMap<std::pair<SessionId, RequestId>, Record*> by_request_;
  FlatMap<std::pair<SessionId, Token>, Record*> by_token_;
  FlatMap<SessionId, std::unique_ptr<Session>> sessions_;  // until they disconnect
  FlatMap<UserId, Use> users_;                             // those that have any claim
  // Tickets whose records are gone while the OS layer still owes an answer.
  struct Owed {
    Lock* lock;
    bool check;
  };
  FlatMap<Ticket, Owed> abandoned_;

  std::set<std::pair<Monotonic, Ticket>> deadlines_;
  std::deque<Ticket> due_at_once_;
  Monotonic last_due_;         // when due() was last called
  std::vector<Event> events_;  // those before next_event_ have been taken
  std::size_t next_event_ = 0;

  bool recovering_ = false;
  LockId last_lock_ = 0;
  std::uint64_t last_stamp_ = 0;  // ticket or token
  std::size_t holders_ = 0;
  std::uint64_t grants_ = 0;
};

}  // namespace locketd
