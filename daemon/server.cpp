#include "daemon/server.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/acceptor.hpp"
#include "daemon/dispatch.hpp"
#include "daemon/flock_locks.hpp"
#include "daemon/kept_sessions.hpp"
#include "daemon/local_devices.hpp"
#include "daemon/log.hpp"
#include "daemon/session.hpp"
#include "proto/adaptive_spin.hpp"
#include "proto/codec.hpp"
#include "proto/descriptor.hpp"
#include "proto/transport.hpp"

namespace locketd {

namespace asio = boost::asio;
namespace proto = locket::proto;

namespace {

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadBytes = 64 * 1024;
// How many sessions have a turn before accepting, deadlines and other threads have theirs. More
// would not be faster.
constexpr std::size_t kTalkAtOnce = 64;
// The same while the loop lingers for sessions.
constexpr std::size_t kTurnsWhileLingering = 16;
// How much of a holder's input is heard before an answer about its lock: about a hundred requests.
// A client that has sent more must not keep others waiting for their answers (C15).
constexpr std::uint64_t kMostHeard = 8 * 1024;
// Ending a session takes up to 20 µs. Living clients must not wait for thousands that die at once
// (C15).
constexpr std::size_t kEndsAtOnce = 16;
// How long clients of the previous daemon are waited for (C9): they try to come back every 100 ms
// at least, and at first much more often.
constexpr std::chrono::milliseconds kRecovery{250};
// How soon the service manager is sent again what it had no room for.
constexpr std::chrono::milliseconds kCatchUp{100};
// How long the end waits for file systems that do not answer, at most twice: once for threads that
// wait for locks, once for files that are being closed.
constexpr std::chrono::milliseconds kEndPatience{500};

}  // namespace

class Server::Loop final : public Sessions, public SessionOwner {
 public:
  Loop(Listener listener, const UserLimits& limits);

  [[nodiscard]] End run(std::vector<Inherited::Named> kept);

  // Sessions, for dispatch.
  Instant now() const override;
  void send(SessionId session, std::string_view line) override;
  std::uint64_t said(SessionId session) const override;
  bool drain(SessionId session, std::uint64_t upto) override;
  void settle_later() override;
  bool is_behind(SessionId session) const override;
  std::size_t max_kept_locks() const override {
    return manager_.is_there() ? KeptSessions::kMaxLocks : 0;
  }
  bool keep(SessionId session, const std::string& lines, const std::vector<int>& files) override;

  // SessionOwner, for the sessions.
  Dispatch& dispatch() override { return dispatch_; }
  std::span<char> read_buffer() override { return buffer_; }
  void batch_done() override;
  void close_socket(proto::Descriptor socket, UserId user) override;
  void queue_turn(SessionId session) override;
  void ended(SessionId session) override;

 private:
  void serve_queue();
  void take_over(std::vector<Inherited::Named> kept);
  void serve();
  void linger();
  asio::awaitable<void> watch_mounts();
  asio::awaitable<void> beat(std::chrono::microseconds period);
  void await(Watches& watches, asio::posix::stream_descriptor& ready);
  void open_session(proto::Descriptor socket);
  void restore(KeptSession kept);
  void drop(KeptSession kept);
  void catch_up_later();
  void refuse(proto::Descriptor socket, const proto::Error& error);
  void flush();
  void arm_timer();

  asio::io_context context_{1};
  Watches talk_;
  Watches ends_;
  asio::posix::stream_descriptor talk_ready_;  // talk_ owns its descriptor
  asio::posix::stream_descriptor ends_ready_;
  // Ahead of the listener, so that they are destroyed after it: a client whose connection ends
  // comes back at once, and must not reach a daemon that is about to be gone.
  boost::unordered_flat_map<SessionId, std::shared_ptr<Session>> sessions_;
  Listener listener_;
  Acceptor acceptor_;
  asio::signal_set signals_;
  asio::steady_timer timer_;
  Monotonic armed_ = Monotonic::max();
  bool settle_posted_ = false;
  std::deque<SessionId> queue_;  // whose lines are left
  bool queue_posted_ = false;
  proto::AdaptiveSpin spin_;
  std::vector<char> buffer_;
  SessionId last_session_ = 0;
  std::vector<SessionId> to_flush_;
  std::vector<SessionId> flushed_;  // flush() swaps it with to_flush_
  LocalDevices devices_;
  std::unique_ptr<FlockLocks> os_locks_;
  Dispatch dispatch_;
  ServiceManager manager_;
  KeptSessions kept_sessions_;
  asio::steady_timer catch_up_;
  bool catching_up_ = false;
};

Server::Server(Listener listener, const UserLimits& limits)
    : loop_(std::make_unique<Loop>(std::move(listener), limits)) {}

Server::~Server() = default;

Server::End Server::run(std::vector<Inherited::Named> kept) {
  return loop_->run(std::move(kept));
}

Server::Loop::Loop(Listener listener, const UserLimits& limits)
    : talk_(kTalkAtOnce),
      ends_(kEndsAtOnce),
      talk_ready_(context_, talk_.descriptor()),
      ends_ready_(context_, ends_.descriptor()),
      listener_(std::move(listener)),
      acceptor_(
          context_, listener_.descriptor(),
          [this](proto::Descriptor socket) { open_session(std::move(socket)); },
          [this](proto::Descriptor socket) { refuse(std::move(socket), out_of_descriptors()); }),
      signals_(context_, SIGTERM, SIGINT),
      timer_(context_),
      buffer_(kReadBytes),
      os_locks_(std::make_unique<FlockLocks>(
          [this](std::function<void()> task) {
            asio::post(context_, [this, task = std::move(task)] {
              task();
              batch_done();
            });
          },
          devices_)),
      dispatch_(*this, *os_locks_, listener_.path(), limits),
      kept_sessions_(manager_),
      catch_up_(context_) {}

// However the loop ends, file systems that hang must not keep the process from ending. Unwinding
// would wait for them.
Server::End Server::Loop::run(std::vector<Inherited::Named> kept) {
  End end;
  try {
    take_over(std::move(kept));
    serve();
  } catch (const std::exception& error) {
    log::error("{}", error.what());
    end.failed = true;
  }
  manager_.tell("STOPPING=1");
  acceptor_.stop();
  std::ignore = talk_ready_.release();
  std::ignore = ends_ready_.release();

  // Before any connection closes: a client that sees its connection end assumes that nobody here
  // locks its files any more, and would lose a lock that a thread of ours got after the client had
  // looked.
  for (const auto& [id, session] : sessions_) session->dispose_descriptors();
  end.hanging = !os_locks_->finish(kEndPatience);
  if (end.hanging) std::ignore = os_locks_.release();  // left until the process is gone
  return end;
}

void Server::Loop::take_over(std::vector<Inherited::Named> kept) {
  if (listener_.had_predecessor() || !kept.empty()) {
    dispatch_.recover_until(now().steady + kRecovery);
  }
  auto taken = kept_sessions_.take(std::move(kept), now().steady);
  for (KeptSession& session : taken.whole) restore(std::move(session));
  for (KeptSession& session : taken.broken) drop(std::move(session));
}

void Server::Loop::serve() {
  kept_sessions_.announce();
  manager_.tell("READY=1");
  batch_done();
  signals_.async_wait([this](const auto& error, int) {
    if (!error) context_.stop();
  });
  acceptor_.start();
  await(talk_, talk_ready_);
  await(ends_, ends_ready_);
  asio::co_spawn(context_, watch_mounts(), asio::detached);
  if (const auto period = manager_.heartbeat()) {
    asio::co_spawn(context_, beat(*period), asio::detached);
  }
  while (!context_.stopped()) {
    context_.run_one();
    context_.poll();
    linger();
  }
}

// A client that has just been answered mostly speaks again soon. Nothing else has work meanwhile,
// and if something does, the lingering does not last long.
void Server::Loop::linger() {
  std::size_t turns = 0;
  const auto look = [&] {
    const std::size_t had = talk_.serve(kTurnsWhileLingering);
    turns += had;
    return had > 0;
  };
  while (turns < kTurnsWhileLingering && !settle_posted_ && !queue_posted_ && spin_(look)) {
  }
}

Instant Server::Loop::now() const {
  return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
}

void Server::Loop::send(SessionId session, std::string_view line) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  found->second->send(line);
  to_flush_.push_back(session);
}

std::uint64_t Server::Loop::said(SessionId session) const {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return 0;
  return std::min(found->second->said(), found->second->heard() + kMostHeard);
}

bool Server::Loop::drain(SessionId session, std::uint64_t upto) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return true;
  const auto kept = found->second;
  return kept->drain(upto);
}

void Server::Loop::queue_turn(SessionId session) {
  queue_.push_back(session);
  if (!std::exchange(queue_posted_, true)) asio::post(context_, [this] { serve_queue(); });
}

void Server::Loop::serve_queue() {
  for (std::size_t turns = std::min(queue_.size(), kTalkAtOnce); turns > 0; --turns) {
    const auto found = sessions_.find(queue_.front());
    queue_.pop_front();
    if (found == sessions_.end()) continue;
    const auto kept = found->second;
    kept->take_turn();
  }
  batch_done();
  queue_posted_ = !queue_.empty();
  if (queue_posted_) asio::post(context_, [this] { serve_queue(); });
}

bool Server::Loop::is_behind(SessionId session) const {
  const auto found = sessions_.find(session);
  return found != sessions_.end() && found->second->is_behind();
}

void Server::Loop::settle_later() {
  if (std::exchange(settle_posted_, true)) return;
  asio::post(context_, [this] {
    settle_posted_ = false;
    dispatch_.settle();
    flush();
    // Lists for a session that does not read do not count: they go on when it reads.
    if (dispatch_.has_due()) settle_later();
    arm_timer();
    catch_up_later();
  });
}

bool Server::Loop::keep(SessionId session, const std::string& lines,
                        const std::vector<int>& files) {
  const Peer& peer = sessions_.at(session)->peer();
  const auto outcome = kept_sessions_.keep(session, peer, lines, files, now().steady);
  if (outcome == KeptSessions::Outcome::no_memory) {
    dispatch_.tell(
        log::Level::warning,
        {Incident::Kind::kept_session_dropped, peer.pid, peer.uid, {}, "no memory for its record"});
  }
  return outcome != KeptSessions::Outcome::no_room_now;
}

void Server::Loop::batch_done() {
  dispatch_.attend();
  flush();
  arm_timer();
  catch_up_later();
}

void Server::Loop::catch_up_later() {
  if (!kept_sessions_.is_behind() || std::exchange(catching_up_, true)) return;
  catch_up_.expires_after(kCatchUp);
  catch_up_.async_wait([this](const auto& error) {
    if (error) return;
    catching_up_ = false;
    if (kept_sessions_.catch_up()) dispatch_.keep_those_put_off();
    batch_done();
  });
}

// Unread input may carry descriptors, and closing the last one of a file may block for as long as
// its sender likes: a TCP socket lingers (SO_LINGER, socket(7)), a file system hangs. After
// shutdown(2) nothing more comes in.
void Server::Loop::close_socket(proto::Descriptor socket, UserId user) {
  ::shutdown(socket.get(), SHUT_RDWR);
  int unread = 0;
  if (::ioctl(socket.get(), FIONREAD, &unread) == 0 && unread == 0) return;  // closes it
  os_locks_->dispose(std::move(socket), user);
}

void Server::Loop::ended(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  const auto kept = std::move(found->second);  // dispatch looks at its peer until closed() returns
  sessions_.erase(found);
  dispatch_.closed(session);
  kept_sessions_.forget(session);
}

// If the loop hangs, the beats stop and the service manager ends the daemon, which costs nobody a
// lock (C9).
asio::awaitable<void> Server::Loop::beat(std::chrono::microseconds period) {
  asio::steady_timer timer(context_);
  for (;;) {
    manager_.tell(fmt::format("WATCHDOG=1\nSTATUS={}", dispatch_.summary()));
    timer.expires_after(period);
    co_await timer.async_wait(kNoThrow);
  }
}

asio::awaitable<void> Server::Loop::watch_mounts() {
  if (devices_.descriptor() < 0) co_return;
  asio::posix::stream_descriptor table(context_, ::dup(devices_.descriptor()));
  for (;;) {
    const auto [error] =
        co_await table.async_wait(asio::posix::stream_descriptor::wait_error, kNoThrow);
    if (error) co_return;
    devices_.changed();
  }
}

// Gives the ready watches one turn, then lets everything else have one.
void Server::Loop::await(Watches& watches, asio::posix::stream_descriptor& ready) {
  ready.async_wait(asio::posix::stream_descriptor::wait_read, [&](const auto& error) {
    if (error) return;
    watches.serve();
    await(watches, ready);
  });
}

void Server::Loop::open_session(proto::Descriptor socket) {
  auto peer = identify_peer(socket.get());
  if (!peer) {
    const bool full = peer.error().code == proto::Errc::limit_reached;
    refuse(std::move(socket), full ? out_of_descriptors() : peer.error());
    return;
  }
  if (const auto admitted = dispatch_.admits(*peer); !admitted) {
    refuse(std::move(socket), admitted.error());
    return;
  }
  const SessionId id = ++last_session_;
  auto session =
      std::make_shared<Session>(*this, talk_, ends_, id, std::move(socket), std::move(*peer));
  sessions_.emplace(id, session);
  dispatch_.opened(id, session->peer());
  session->start();
}

// For a client that cannot speak for itself: the kept lines are handled as if it had just sent
// them.
void Server::Loop::restore(KeptSession kept) {
  const SessionId id = ++last_session_;
  kept_sessions_.adopt(id, kept);
  auto session =
      std::make_shared<Session>(*this, talk_, ends_, id, proto::Descriptor(), std::move(kept.peer));
  sessions_.emplace(id, session);
  dispatch_.opened(id, session->peer(), true);
  for (const std::string& line : kept.lines) {
    std::ignore = dispatch_.received(id, line, kept.files);
  }
  dispatch_.dispose(id, kept.files);
  session->start();
}

// Not unlocked: the process may live, and then goes on holding as an external holder.
void Server::Loop::drop(KeptSession kept) {
  const std::string path = path_in(kept);
  dispatch_.tell(log::Level::warning,
                 {Incident::Kind::kept_session_dropped, kept.peer.pid, kept.peer.uid, path,
                  "the service manager did not keep all of it"});
  for (auto& file : kept.files) os_locks_->dispose(std::move(file), kept.peer.uid);
}

// Sends one line that says why; a client that sent a request finds it ahead of the connection's
// end.
void Server::Loop::refuse(proto::Descriptor socket, const proto::Error& error) {
  const Peer peer = credentials_of(socket.get()).value_or(Peer{});
  dispatch_.tell(log::Level::warning,
                 {Incident::Kind::connection_refused, peer.pid, peer.uid, {}, error.message});
  const auto line = proto::encode(proto::Reply{std::nullopt, proto::Failure{.error = error}});
  std::ignore = proto::try_send(socket.get(), line, -1);
  close_socket(std::move(socket), peer.uid);
}

void Server::Loop::flush() {
  // A session may end while it is flushed, and then the next holders of its locks have lines as
  // well.
  while (!to_flush_.empty()) {
    flushed_.clear();
    flushed_.swap(to_flush_);
    for (const SessionId id : flushed_) {
      const auto found = sessions_.find(id);
      if (found == sessions_.end()) continue;
      const auto kept = found->second;
      kept->flush();
    }
  }
}

// An armed timer is left alone when its deadline is gone: at most one early wake-up is cheaper than
// a system call for each wait that ends in time. None is armed when nothing waits.
void Server::Loop::arm_timer() {
  const auto next = dispatch_.next_deadline();
  if (!next || *next >= armed_) return;
  armed_ = *next;
  timer_.expires_at(*next);
  timer_.async_wait([this](const auto& error) {
    if (error) return;
    armed_ = Monotonic::max();
    batch_done();
  });
}

}  // namespace locketd
