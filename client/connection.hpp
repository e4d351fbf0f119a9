// The one connection of this process to the daemon: calls go out, answers come back to whoever
// waits for them, matched by id. Made on first use, with the hello ahead of the first request, and
// again after it broke. Bytes and lines are channel.hpp's part.
//
// Owned by Process (process.hpp), lives as long as that. Thread-safe.
//
// Leader and followers: among the threads in wait(), one (the leader) sleeps in poll(2) and reads
// for all; the others sleep on a condition variable of their own. No thread stands between an
// answer and its caller, and no thread of the library's own is needed.
//
// Invariants:
//  1. Every Pending ends exactly once: by its answer, by the connection's end, or by being given
//     up. A later reply to one that was given up is ignored.
//  2. While anybody is in wait() and not yet answered, there is a leader, or one has been woken to
//     become it: who leaves wait() with no leader in place wakes the follower that waits longest.
//  3. Bytes leave in the order of the calls. What the socket does not take at once is sent by the
//     leader when it can, or ahead of the next call when nobody waits.
//  4. The mutex is never held while sleeping, so that notify() never waits for the daemon.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/deadline.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"
#include "proto/socket_path.hpp"

namespace locket::client {

class Channel;
class Connection;

// Which of the connections that were made one after the other: a notice that concerns an earlier
// one must not reach a later one. 0 is none.
using SessionId = std::uint64_t;

// A call under way. Destroying it unanswered abandons it: the daemon is told with a one-way
// `cancel`, which also releases a grant that crosses it. Belongs to one thread at a time; must not
// outlive its Connection.
class Pending {
 public:
  Pending() noexcept;
  Pending(Pending&&) noexcept;
  Pending& operator=(Pending&&) noexcept;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending();

  // Waits until there is an answer, but not past `until`: none means that it is still under way.
  // Blocks. A broken connection is a Failure with Errc::connection_lost. Must not be called again
  // once it has returned an answer.
  std::optional<proto::Answer> wait(TimePoint until);

  // True from start() until the answer has been taken or the call abandoned.
  explicit operator bool() const { return slot_ != nullptr; }

  // The session that the call went out on.
  [[nodiscard]] SessionId session() const { return session_; }

 private:
  friend Connection;
  struct Slot;
  Pending(Connection& connection, std::unique_ptr<Slot> slot, SessionId session);

  Connection* connection_ = nullptr;
  std::unique_ptr<Slot> slot_;
  SessionId session_ = 0;
};

class Connection {
 public:
  // Where a daemon may listen, asked anew at each attempt to connect.
  using Sockets = std::function<std::vector<std::string>()>;

  explicit Connection(Sockets sockets = proto::socket_candidates);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends a call, with a descriptor (none: -1) that is the caller's again when this returns.
  // Connects where needed, which blocks only while the daemon's backlog is full, and not past
  // `until`. Errc::no_daemon says where it was looked for and how to start one.
  std::expected<Pending, proto::Error> start(const proto::Call& call, int descriptor,
                                             TimePoint until);

  // start() and wait() in one, for what is answered at once: a Failure is an error too, and so is
  // no answer by then (Errc::no_daemon).
  std::expected<proto::Answer, proto::Error> call(const proto::Call& call,
                                                  TimePoint until = Clock::now() + kPatience);

  // Sends a one-way message on that session, or drops it where that session has ended: then there
  // is nobody to tell. Never blocks, never connects.
  void notify(SessionId session, const proto::Call& call);

  // The daemon's process id, as its answer to hello told it; 0 where none has come yet.
  [[nodiscard]] std::int64_t daemon_pid();

 private:
  friend Pending;
  using UniqueLock = std::unique_lock<std::mutex>;

  class Attendance;

  std::optional<proto::Answer> wait(Pending::Slot& slot, TimePoint until);
  void abandon(Pending::Slot& slot);

  // All below need the mutex; those that take it as `lock` give it up while they sleep.
  void read_for_all(UniqueLock& lock, TimePoint until);
  void promote();
  void receive();
  std::optional<proto::Error> read_and_deliver();
  std::optional<proto::Error> deliver(proto::Reply reply);
  void settle(proto::RequestId id, proto::Answer answer);
  std::expected<void, proto::Error> ensure_connected(UniqueLock& lock, TimePoint until);
  std::expected<void, proto::Error> adopt(proto::Descriptor socket);
  std::expected<void, proto::Error> send(std::string_view line, proto::RequestId id,
                                         int descriptor);
  void flush();
  void break_off(proto::Error error);

  const Sockets sockets_;
  std::mutex mutex_;
  std::shared_ptr<Channel> channel_;  // shared with the leader, which polls it without the mutex
  SessionId session_ = 0;
  proto::RequestId last_id_ = 0;
  proto::RequestId hello_ = 0;
  std::int64_t daemon_pid_ = 0;
  std::optional<proto::Error> complaint_;  // what the daemon said in answer to no request
  proto::Error parting_;                   // why the session before this one ended
  std::map<proto::RequestId, Pending::Slot*> pending_;  // unanswered ones, oldest first
  Pending::Slot* leader_ = nullptr;
};

}  // namespace locket::client
