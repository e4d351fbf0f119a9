// The one connection of this process to the daemon: calls go out, answers come back to whoever
// waits for them, matched by id. Made on first use, with the hello ahead of the first request, and
// again after it broke. Bytes and lines are channel.hpp's part.
//
// Owned by Process (process.hpp), lives as long as that. Thread-safe.
//
// Leader and followers: among the threads in wait(), one (the leader) sleeps in poll(2) and reads
// for all; the others sleep on a condition variable of their own. No thread stands between an
// answer and its caller. The library's own thread (keeper.hpp) reads only when the connection ends
// and when nobody else is there to.
//
// When the daemon goes, claims survive it (C9): on a new session every one is told again, what is
// held before what is waited for, each in its order. Claims are in two places, the table of pending
// calls and Custody; both are looked at under this mutex, and between them a grant moves under it.
//
// Invariants:
//  1. Every Pending ends exactly once: by its answer, by being given up, or, where it is about no
//     claim (or about a claim that the first daemon to hear of it would not greet), by the
//     connection's end. A later reply to one that was given up is ignored.
//  2. While there is a session and anybody is in wait() and not yet answered, there is a leader, or
//     one has been woken to become it: who leaves wait() with no leader in place wakes the follower
//     that waits longest.
//  3. Bytes leave in the order of the calls. One thread at a time sends, without the mutex; what
//     others say meanwhile leaves with its next message. What the socket does not take at once is
//     sent by the leader when it can, else by the keeper, or ahead of the next call.
//  4. The mutex is never held while sleeping, so that notify() never waits for the daemon.
//  5. Before a session ends, everything that the daemon said on it has been read: a grant that it
//     sent before it died counts.
//  6. Where memory runs out, nothing is lost of what is to be said or was: keeper and leader come
//     back to it. A session over which claims were told does not end for that, since the daemon
//     would take them for given up.
//  7. The descriptor of a claim is closed only by who has taken the claim out of its place, so that
//     nobody sends one that has become another file.

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

// A call under way. Destroying it unanswered abandons it: its lock file is unlocked and closed and
// the daemon told with a one-way `cancel`, which also releases a grant that crosses it. Belongs to
// one thread at a time; must not outlive its Connection.
class Pending {
 public:
  Pending() noexcept;
  Pending(Pending&&) noexcept;
  Pending& operator=(Pending&&) noexcept;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending();

  // Waits until there is an answer, but not past `until`: none means that it is still under way.
  // Blocks. A broken connection is a Failure with Errc::connection_lost, but for a claim. Must not
  // be called again once it has returned an answer.
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
  // Where a daemon may listen, asked anew at each attempt to connect.
  using Sockets = std::function<std::vector<std::string>()>;

  Connection(Sockets sockets, Custody& custody, Herald& herald, Parking& parking);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends a call. Connects where needed, which blocks, and not past `until`, only while the
  // daemon's backlog is full or, for kPatience, where one was there before. Errc::no_daemon says
  // where it was looked for and how to start one.
  std::expected<Pending, proto::Error> start(const proto::Call& call, TimePoint until);

  // The same for a lock. From here on the claim is told to every new daemon until it ends.
  std::expected<Pending, proto::Error> start(ClaimPtr claim, TimePoint until);

  // start() and wait() in one, for what is answered at once and may be asked again when the
  // connection is lost: a Failure is an error too, and so is no answer by then (Errc::no_daemon).
  std::expected<proto::Answer, proto::Error> call(const proto::Call& call,
                                                  TimePoint until = Clock::now() + kPatience);

  // Sends a one-way message, or drops it where there is no session: then there is nobody to tell. A
  // later daemon may get one about what only an earlier one knew, and ignores it: neither a token
  // nor an id of this connection's ever comes again. Never blocks, never connects.
  // Where there is no memory it is sent when there is.
  using Notice = std::variant<proto::Release, proto::Unpark, proto::Cancel>;
  void notify(Notice notice) noexcept;

  // The same for a release that parks the file where the daemon can. On which session; 0: it is not
  // parked.
  [[nodiscard]] std::uint64_t notify_and_park(proto::Token token) noexcept;

  // Something is parked, of which nothing was before.
  void watch_parking() noexcept;

  // The daemon's process id, as its answer to hello told it; 0 where none has come yet.
  [[nodiscard]] std::int64_t daemon_pid();

  // Why there is no session now; none where there is one.
  [[nodiscard]] std::optional<proto::Error> absence();

  // Whether no daemon has all that this process holds in its books, so that none would tell it of a
  // lock that was unlocked by force.
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

  // What of the claims is still to be told on this session.
  using Untold = std::variant<proto::Token, Slot*>;

  std::optional<proto::Answer> wait(Slot& slot, TimePoint until);
  void abandon(std::unique_ptr<Slot> slot);

  // All below need the mutex; those that take it as `lock` give it up while they sleep.

  // Calls and waiting: connection.cpp.
  void read_for_all(UniqueLock& lock, TimePoint until);
  void sit_out(UniqueLock& lock, Slot& slot, TimePoint until);
  void promote();
  void wake(const Slot& slot) noexcept;

  // What is said: connection_sending.cpp.
  std::expected<void, proto::Error> send(UniqueLock& lock, std::string_view line,
                                         proto::RequestId id, int descriptor);
  void wake_sender();
  void flush();
  void notify_later(Notice notice) noexcept;
  [[nodiscard]] bool has_unsent() const;
  [[nodiscard]] TimePoint next_try() const;

  // What the daemon says: connection_replies.cpp.
  void receive();
  std::optional<proto::Error> read_and_deliver();
  std::optional<proto::Error> deliver_lines();
  std::optional<proto::Error> deliver(proto::Reply& reply);  // and takes it
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
  std::shared_ptr<Channel> channel_;  // shared with who polls it without the mutex; null: none
  std::uint64_t session_ = 0;         // counts them
  std::string home_;                  // the socket of the last one
  proto::RequestId hello_ = 0;
  bool welcomed_ = false;
  bool parks_ = false;  // the daemon does
  std::int64_t daemon_pid_ = 0;
  std::optional<proto::Error> complaint_;  // what the daemon said in answer to no request
  proto::Error parting_;                   // why the session before this one ended
  std::optional<proto::Detach> detached_;  // told on every session from then on
  Backoff reconnecting_;

  // Calls.
  proto::RequestId last_id_ = 0;
  std::vector<PendingCall> pending_;  // unanswered ones, oldest first
  Slot* leader_ = nullptr;
  bool leader_sleeps_ = false;  // in poll(2), where only its channel wakes it
  WakeCalls* calls_ = nullptr;  // of the leader who reads, for when he gives the mutex up

  // Claims that are told again.
  std::deque<Untold> untold_;
  std::map<proto::RequestId, proto::Token> reclaims_;  // unanswered ones about holds
  std::vector<Untold> refused_;                        // for want of room: to be tried again
  Backoff retrying_;

  TimePoint next_unparking_ = kNever;
  std::vector<Notice> owed_;   // one-way messages that there was no memory to send
  bool keeper_sends_ = false;  // it already sleeps until there is room for what is unsent
  Keeper keeper_{*this};
};

}  // namespace locket::client
