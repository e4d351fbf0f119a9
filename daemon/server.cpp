#include "daemon/server.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/dispatch.hpp"
#include "daemon/flock_locks.hpp"
#include "daemon/kept_sessions.hpp"
#include "daemon/local_devices.hpp"
#include "daemon/log.hpp"
#include "daemon/session.hpp"
#include "proto/codec.hpp"
#include "proto/descriptor.hpp"
#include "proto/transport.hpp"

namespace locketd {

namespace proto = locket::proto;

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
// How long accepting rests when descriptors or memory are short; sessions go on meanwhile.
constexpr std::chrono::milliseconds kAcceptRest{50};
// How long those who knew the daemon before this one are waited for (C9): clients try to come back
// every 100 ms at least, and at first much more often.
constexpr std::chrono::milliseconds kRecovery{250};
// How long the end waits for file systems that do not answer, at most twice: once for locks that
// are waited for, once for files that are to be closed.
constexpr std::chrono::milliseconds kEndPatience{500};

// The two that ask for the end; main holds them back from everything else.
proto::Descriptor open_signals() {
  sigset_t ends{};
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  return proto::Descriptor(::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
}

proto::Descriptor open_spare() {
  return proto::Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

class Server::Loop final : public Sessions, public SessionOwner {
 public:
  Loop(Listener listener, const UserLimits& limits, std::vector<Inherited::Named> kept);

  [[nodiscard]] bool run();

  // Sessions, for dispatch.
  Instant now() const override;
  void send(SessionId session, std::string_view line) override;
  void drain(SessionId session) override;
  void settle_later() override;
  bool is_behind(SessionId session) const override;
  std::size_t keeps() const override { return manager_.is_there() ? KeptSessions::kMaxLocks : 0; }
  void keep(SessionId session, const std::string& lines, const std::vector<int>& files) override;

  // SessionOwner, for the sessions.
  Dispatch& dispatch() override { return dispatch_; }
  std::span<char> read_buffer() override { return buffer_; }
  void batch_done() override;
  void close_socket(proto::Descriptor socket, UserId user) override;
  void ended(SessionId session) override;

 private:
  void accept_some();
  void rest_from_accepting(int error);
  void beat();
  void open_session(proto::Descriptor socket);
  void restore(KeptSession kept);
  void drop(KeptSession kept);
  void refuse(proto::Descriptor socket, const proto::Error& error);
  void refuse_by_spare();
  void flush();
  void arm_timer();

  Reactor reactor_;
  // Ahead of the listener, so that they end after it: whose connection ends comes back at once, and
  // must not come to a daemon that is about to be gone.
  boost::unordered_flat_map<SessionId, std::shared_ptr<Session>> sessions_;
  Listener listener_;
  Reactor::Watch accepting_;
  Reactor::Timer rest_;  // from accepting
  proto::Descriptor signals_;
  Reactor::Watch ending_;
  Reactor::Timer timer_;
  Monotonic armed_ = Monotonic::max();
  bool settle_posted_ = false;
  std::vector<char> buffer_;
  int short_of_ = 0;  // errno: told once, not at every try
  SessionId last_session_ = 0;
  std::vector<SessionId> to_flush_;
  std::vector<SessionId> flushed_;  // by flush(), in turn with to_flush_
  LocalDevices devices_;
  Reactor::Watch mounts_;
  std::unique_ptr<FlockLocks> os_locks_;
  Dispatch dispatch_;
  ServiceManager manager_;
  std::optional<Reactor::Timer> heart_;
  KeptSessions kept_sessions_;
  proto::Descriptor spare_;  // given up to refuse a connection when there is no other
};

Server::Server(Listener listener, const UserLimits& limits, std::vector<Inherited::Named> kept)
    : loop_(std::make_unique<Loop>(std::move(listener), limits, std::move(kept))) {}

Server::~Server() = default;

bool Server::run() {
  return loop_->run();
}

Server::Loop::Loop(Listener listener, const UserLimits& limits, std::vector<Inherited::Named> kept)
    : listener_(std::move(listener)),
      accepting_(reactor_, [this](std::uint32_t) { accept_some(); }),
      rest_(reactor_, [this] { accepting_.change(EPOLLIN); }),
      signals_(open_signals()),
      ending_(reactor_, [this](std::uint32_t) { reactor_.stop(); }),
      timer_(reactor_,
             [this] {
               armed_ = Monotonic::max();
               batch_done();
             }),
      buffer_(kReadBytes),
      mounts_(reactor_, [this](std::uint32_t) { devices_.changed(); }),
      os_locks_(std::make_unique<FlockLocks>(
          [this](std::function<void()> task) {
            reactor_.post([this, task = std::move(task)] {
              task();
              batch_done();
            });
          },
          devices_)),
      dispatch_(*this, *os_locks_, listener_.path(), limits),
      kept_sessions_(manager_),
      spare_(open_spare()) {
  if (listener_.had_predecessor() || !kept.empty()) {
    dispatch_.recover_until(now().steady + kRecovery);
  }
  auto taken = kept_sessions_.take(std::move(kept), now().steady);
  for (KeptSession& session : taken.whole) restore(std::move(session));
  for (KeptSession& session : taken.broken) drop(std::move(session));
}

bool Server::Loop::run() {
  // Any descriptor, under a name that tells the next daemon of this one, also where no session is
  // kept. First forgotten: else each start would add one.
  manager_.forget("predecessor");
  manager_.keep("predecessor", spare_.get());
  manager_.tell("READY=1");
  batch_done();
  ending_.start(signals_.get(), EPOLLIN);
  accepting_.start(listener_.descriptor(), EPOLLIN);
  if (devices_.descriptor() >= 0) mounts_.start(devices_.descriptor(), EPOLLPRI);
  if (manager_.heartbeat()) {
    heart_.emplace(reactor_, [this] { beat(); });
    beat();
  }
  reactor_.run();
  manager_.tell("STOPPING=1");

  // Before any connection closes: a client that sees the end of its own takes it that nobody here
  // locks its files any more, and would lose a lock that a thread of ours got after it had looked.
  for (const auto& [id, session] : sessions_) session->dispose_descriptors();
  if (os_locks_->finish(kEndPatience)) return true;
  std::ignore = os_locks_.release();  // threads that hang use it until the process is gone
  return false;
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

void Server::Loop::drain(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  const auto kept = found->second;
  kept->drain();
}

bool Server::Loop::is_behind(SessionId session) const {
  const auto found = sessions_.find(session);
  return found != sessions_.end() && found->second->is_behind();
}

void Server::Loop::settle_later() {
  if (std::exchange(settle_posted_, true)) return;
  reactor_.post([this] {
    settle_posted_ = false;
    dispatch_.settle();
    flush();
    // Not what is left for a session that does not read: that goes on when it does.
    if (dispatch_.has_due()) settle_later();
    arm_timer();
  });
}

void Server::Loop::keep(SessionId session, const std::string& lines,
                        const std::vector<int>& files) {
  const Peer& peer = sessions_.at(session)->peer();
  if (kept_sessions_.keep(session, peer, lines, files, now().steady)) return;
  dispatch_.tell(
      log::Level::warning,
      {Incident::Kind::kept_session_dropped, peer.pid, peer.uid, {}, "no memory for its record"});
}

void Server::Loop::batch_done() {
  dispatch_.attend();
  flush();
  arm_timer();
}

// What is left unread may carry descriptors, and with the last of a file's the kernel may wait in
// here for as long as its sender likes: a TCP socket lingers (SO_LINGER, socket(7)), a file system
// hangs. After shutdown(2) nothing more comes in.
void Server::Loop::close_socket(proto::Descriptor socket, UserId user) {
  ::shutdown(socket.get(), SHUT_RDWR);
  int unread = 0;
  if (::ioctl(socket.get(), FIONREAD, &unread) == 0 && unread == 0) return;  // and closes it
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

// Who connects must not wait for a turn of the loop each, nor all others for all who connect.
void Server::Loop::accept_some() {
  constexpr int kAtOnce = 32;
  for (int i = 0; i < kAtOnce; ++i) {
    proto::Descriptor socket(
        ::accept4(listener_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return rest_from_accepting(errno);
    short_of_ = 0;
    open_session(std::move(socket));
  }
}

// Unless nobody is there, or who was has gone.
void Server::Loop::rest_from_accepting(int error) {
  if (error == EAGAIN || error == EINTR || error == ECONNABORTED) return;
  if (std::exchange(short_of_, error) != error) {
    log::warning("cannot accept connections: {}", std::strerror(error));
  }
  if (error == EMFILE || error == ENFILE) refuse_by_spare();
  accepting_.change(0);
  rest_.set(now().steady + kAcceptRest);
}

// A loop that hangs does not beat, and the service manager ends it, which costs nobody a lock (C9).
void Server::Loop::beat() {
  manager_.tell(fmt::format("WATCHDOG=1\nSTATUS={}", dispatch_.summary()));
  heart_->set(now().steady + *manager_.heartbeat());
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
      std::make_shared<Session>(*this, reactor_, id, std::move(socket), std::move(*peer));
  sessions_.emplace(id, session);
  dispatch_.opened(id, session->peer());
  session->start();
}

// Whose client cannot speak for itself: its lines are as if it had just said them.
void Server::Loop::restore(KeptSession kept) {
  const SessionId id = ++last_session_;
  kept_sessions_.adopt(id, kept);
  auto session =
      std::make_shared<Session>(*this, reactor_, id, proto::Descriptor(), std::move(kept.peer));
  sessions_.emplace(id, session);
  dispatch_.opened(id, session->peer(), true);
  for (const std::string& line : kept.lines) {
    std::ignore = dispatch_.received(id, line, kept.files);
  }
  dispatch_.dispose(id, kept.files);
  session->start();
}

// Not unlocked: whose it is may live, and then goes on holding as one who locked it without us.
void Server::Loop::drop(KeptSession kept) {
  const std::string path = path_in(kept);
  dispatch_.tell(log::Level::warning,
                 {Incident::Kind::kept_session_dropped, kept.peer.pid, kept.peer.uid, path,
                  "the service manager did not keep all of it"});
  for (auto& file : kept.files) os_locks_->dispose(std::move(file), kept.peer.uid);
}

// One line that says why; whoever sent a request finds it ahead of the connection's end.
void Server::Loop::refuse(proto::Descriptor socket, const proto::Error& error) {
  const Peer peer = credentials_of(socket.get()).value_or(Peer{});
  dispatch_.tell(log::Level::warning,
                 {Incident::Kind::connection_refused, peer.pid, peer.uid, {}, error.message});
  const auto line = proto::encode(proto::Reply{std::nullopt, proto::Failure{.error = error}});
  std::ignore = proto::try_send(socket.get(), line, -1);
  close_socket(std::move(socket), peer.uid);
}

// Otherwise those who connect would wait in the backlog with no word.
void Server::Loop::refuse_by_spare() {
  const proto::Error error = out_of_descriptors();
  spare_.reset();
  proto::Descriptor socket(
      ::accept4(listener_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) refuse(std::move(socket), error);
  spare_ = open_spare();
}

void Server::Loop::flush() {
  // A session may end while it is flushed, and its locks' next holders then have lines as well.
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

// An armed timer is left alone when its deadline went away: one early wake-up at most is cheaper
// than a system call for each wait that ends in time. None is armed when nothing waits.
void Server::Loop::arm_timer() {
  const auto next = dispatch_.next_deadline();
  if (!next || *next >= armed_) return;
  armed_ = *next;
  timer_.set(*next);
}

}  // namespace locketd
