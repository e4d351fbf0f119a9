// This process's one connection to the daemon: calls go out, and answers come back to their
// callers, matched by id. Connects on first use, with the hello ahead of the first request, and
// again after the connection broke. Bytes and lines are channel.hpp's part.
//
// Owned by Process (process.hpp) and lives as long as it. Thread-safe.
//
// Leader and followers: among the threads in wait(), one (the leader) sleeps in poll(2) and reads
// for all; each of the others sleeps on its own condition variable. No thread stands between an
// answer and its caller. The library's own thread (keeper.hpp) reads only when the connection ends
// and when no other thread is there to read.
//
// When the daemon goes, claims survive it (C9): on a new session all of them are told again, holds
// before waits, each in order. Claims are in two places, the table of pending calls and Custody;
// both are read under this mutex, and a grant moves from one to the other under it.
//
// Invariants:
//  1. Every Pending ends exactly once: by its answer, by being abandoned, or by the connection's
//     end if it has no claim (or has a claim, and the first daemon to be told of it refused our
//     hello). A later reply to an abandoned one is ignored.
//  2. While there is a session and some thread is in wait() without an answer, there is a leader,
//     or a thread has been woken to become one: a thread that leaves wait() with no leader in place
//     wakes the follower that has waited longest.
//  3. Bytes leave in the order of the calls. One thread at a time sends, without the mutex;
//     messages that others add meanwhile leave with its next write. What the socket does not take
//     at once is sent by the leader when it can, else by the keeper, or ahead of the next call.
//  4. The mutex is never held while sleeping, so notify() never waits for the daemon.
//  5. Before a session ends, everything the daemon sent on it has been read: a grant sent just
//     before it died counts.
//  6. When memory runs out, no message is lost in either direction: the keeper and the leader
//     retry. A session on which claims were told does not end for lack of memory, since the daemon
//     would take the claims for given up.
//  7. A claim's descriptor is closed only by the thread that has taken the claim out of its place,
//     so that no thread sends a descriptor number that has come to mean another file.

#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "client/backoff.hpp"
#include "client/claim.hpp"
#include "client/deadline.hpp"
#include "client/keeper.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"
#include "proto/socket_path.hpp"

namespace locket::client {

class Connection;
class Custody;
class Herald;
class Parking;
class WakeCalls;
struct Found;
struct Hold;

// A call in progress. Destroying it unanswered abandons it: its lock file is unlocked and closed,
// and the daemon is told with a one-way `cancel`, which also releases a grant that crosses it.
// Belongs to one thread at a time; must not outlive its Connection.
class Pending {
 public:
  Pending() noexcept;
  Pending(Pending&&) noexcept;
  Pending& operator=(Pending&&) noexcept;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending();

  // Waits until there is an answer, but not past `until`; returns none if the call is still in
  // progress. Blocks. A broken connection is a Failure with Errc::connection_lost, except for a
  // claim, which outlives it. Must not be called again once it has returned an answer.
  //
  // With a Grant, the claim has become a Hold in Custody, for the caller to adopt or take out.
  std::optional<proto::Answer> wait(TimePoint until);

  // True from start() until the answer has been taken or the call abandoned.
  explicit operator bool() const { return slot_ != nullptr; }

 private:
  friend Connection;
  struct Slot;
  Pending(Connection& connection, std::unique_ptr<Slot> slot);

  Connection* connection_ = nullptr;
  std::unique_ptr<Slot> slot_;
};

class Connection {
 public:
  // Where a daemon may listen; called again for each attempt to connect.
  using Sockets = std::function<std::vector<std::string>()>;

  Connection(Sockets sockets, Custody& custody, Herald& herald, Parking& parking);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends a call. Connects first if needed. That blocks only while the daemon's backlog is full or,
  // for up to kPatience, if there was a daemon before; never past `until`. Errc::no_daemon says
  // where one was looked for and how to start one.
  std::expected<Pending, proto::Error> start(const proto::Call& call, TimePoint until);

  // The same for a lock. From here on, every new daemon is told of the claim until it ends.
  std::expected<Pending, proto::Error> start(ClaimPtr claim, TimePoint until);

  // start() and wait() in one, for calls that are answered at once and may be repeated when the
  // connection is lost. A Failure becomes an error, and so does no answer by `until`
  // (Errc::no_daemon).
  std::expected<proto::Answer, proto::Error> call(const proto::Call& call,
                                                  TimePoint until = Clock::now() + kPatience);

  // Sends a one-way message, or drops it if there is no session, since then no daemon need be told.
  // A later daemon may receive one about something only an earlier daemon knew, and ignores it:
  // neither a token nor an id of this connection is ever reused. Never blocks, never connects. If
  // there is no memory, it is sent once there is.
  using Notice = std::variant<proto::Release, proto::Unpark, proto::Cancel>;
  void notify(Notice notice) noexcept;

  // The same for a release that parks the file if the daemon can. Returns the session it is parked
  // on; 0: it is not parked.
  [[nodiscard]] std::uint64_t notify_and_park(proto::Token token) noexcept;

  // To be called when the first file is parked.
  void watch_parking() noexcept;

  // The daemon's process id from its answer to hello; 0 if there has been no answer yet.
  [[nodiscard]] std::int64_t daemon_pid();

  // Why there is no session now; none if there is one.
  [[nodiscard]] std::optional<proto::Error> absence();

  // Whether no daemon has all of this process's holds on record, so that none would report a lock
  // that was unlocked by force.
  [[nodiscard]] bool is_in_doubt();

  // For fork: see fork_guard.hpp. The child forgets the session, the claims, and the keeper.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  void forget();

 private:
  friend Pending;
  friend Keeper;
  using UniqueLock = std::unique_lock<std::mutex>;
  using Slot = Pending::Slot;

  class Attendance;

  using PendingCall = std::pair<proto::RequestId, Slot*>;

  // Which claims must still be told on this session.
  using Untold = std::variant<proto::Token, Slot*>;

  std::optional<proto::Answer> wait(Slot& slot, TimePoint until);
  void abandon(std::unique_ptr<Slot> slot);

  // All below need the mutex held; those that take it as `lock` release it while they sleep.

  // Calls and waiting: connection.cpp.
  void unlock_first(UniqueLock& lock, Slot& slot);
  void read_for_all(UniqueLock& lock, TimePoint until);
  void sit_out(UniqueLock& lock, Slot& slot, TimePoint until);
  void promote();
  void wake(const Slot& slot) noexcept;

  // Sending: connection_sending.cpp.
  std::expected<void, proto::Error> send(UniqueLock& lock, std::string_view line,
                                         proto::RequestId id, int descriptor);
  bool withdraw(UniqueLock& lock, proto::RequestId id);
  void wake_sender();
  void flush();
  void notify_later(Notice notice) noexcept;
  [[nodiscard]] bool has_unsent() const;
  [[nodiscard]] TimePoint next_try() const;

  // Replies from the daemon: connection_replies.cpp.
  void receive();
  std::optional<proto::Error> read_and_deliver();
  std::optional<proto::Error> deliver_lines();
  std::optional<proto::Error> deliver(proto::Reply& reply);  // consumes it
  proto::Error refused_hello(const proto::Failure& failure) const;
  bool drop_answer_to_query(std::string_view line);
  void settle(proto::RequestId id, proto::Answer&& answer);
  void finish(Slot& slot, proto::Answer&& answer);
  void retry_later(Untold claim);
  [[nodiscard]] Slot* find(proto::RequestId id) const;
  bool drop(Slot& slot);
  void settle_reclaim(proto::Token token, const proto::Answer& answer);

  // Sessions, from their beginning to their end: connection_sessions.cpp.
  std::expected<void, proto::Error> ensure_connected(UniqueLock& lock, TimePoint until);
  std::expected<void, proto::Error> begin_session(Found found);
  std::expected<void, proto::Error> greet();
  std::unexpected<proto::Error> hang_up(proto::Error error);
  void end_session(proto::Error error);
  proto::Failure parted() const noexcept;
  void tell_claims();
  std::expected<bool, proto::Error> tell(Slot& slot);
  std::expected<bool, proto::Error> tell(proto::Token token);
  [[nodiscard]] bool has_claims() const;
  void reconnect_if_due();
  Watch keep_claims();
  void unpark_idle();

  const Sockets sockets_;
  Custody& custody_;
  Herald& herald_;
  Parking& parking_;
  std::mutex mutex_;

  // The session.
  std::shared_ptr<Channel> channel_;  // also held by threads that poll it; null: none
  std::uint64_t session_ = 0;         // counts sessions
  std::string home_;                  // the socket path of the last session
  proto::RequestId hello_ = 0;
  bool welcomed_ = false;
  bool parks_ = false;  // the daemon supports parking
  std::int64_t daemon_pid_ = 0;
  std::optional<proto::Error> complaint_;  // a daemon's error without a request id
  proto::Error parting_;                   // why the last session ended
  std::optional<proto::Detach> detached_;  // told again on every later session
  Backoff reconnecting_;

  // Calls.
  proto::RequestId last_id_ = 0;
  std::vector<PendingCall> pending_;  // unanswered, oldest first
  Slot* leader_ = nullptr;
  bool leader_sleeps_ = false;  // in poll(2), where only its channel wakes it
  WakeCalls* calls_ = nullptr;  // of the leader that reads, made when it releases the mutex

  // Claims that are told again.
  std::deque<Untold> untold_;
  std::map<proto::RequestId, proto::Token> reclaims_;  // unanswered, about holds
  std::vector<Untold> refused_;                        // the daemon had no room: to be retried
  Backoff retrying_;

  TimePoint next_unparking_ = kNever;
  std::vector<Notice> owed_;   // one-way messages that there was no memory to send
  bool keeper_sends_ = false;  // it already sleeps until there is room for what is unsent
  Keeper keeper_{*this};
};

}  // namespace locket::client
