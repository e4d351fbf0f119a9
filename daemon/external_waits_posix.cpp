#include <pthread.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "daemon/external_waits.hpp"

namespace locketd {
namespace {

// Ignored by default, so that a stray one harms nobody. Ours has a handler without SA_RESTART, and
// so makes flock(2) return EINTR: signal(7).
constexpr int kInterrupt = SIGURG;

void install_handler() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  ::sigaction(kInterrupt, &action, nullptr);
}

}  // namespace

ExternalWaits::ExternalWaits(Post post, Ended ended)
    : post_(std::move(post)), ended_(std::move(ended)) {
  install_handler();
  sweeper_ = std::thread([this] { sweep(); });
}

ExternalWaits::~ExternalWaits() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [ticket, wait] : waits_) wait->interrupted = true;
    work_.notify_one();
  }
  sweeper_.join();
  for (auto& [ticket, wait] : waits_) {
    if (wait->thread.joinable()) wait->thread.join();
  }
}

void ExternalWaits::start(Ticket ticket, int fd, int operation) {
  const std::lock_guard lock(mutex_);
  auto& wait = waits_[ticket] = std::make_unique<Wait>();
  wait->ticket = ticket;
  wait->fd = fd;
  wait->operation = operation;
  if (threads_ == kMaxThreads || !start_thread(*wait)) work_.notify_one();
}

// False where the system has no thread for us: then the sweeper has one more to do.
bool ExternalWaits::start_thread(Wait& wait) {
  try {
    wait.thread = std::thread([this, &wait] { wait_in_thread(wait); });
  } catch (const std::system_error&) {
    return false;
  }
  ++threads_;
  return true;
}

void ExternalWaits::interrupt(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  const auto found = waits_.find(ticket);
  if (found == waits_.end()) return;
  Wait& wait = *found->second;
  wait.interrupted = true;
  if (wait.thread.joinable() && !wait.over) ::pthread_kill(wait.thread.native_handle(), kInterrupt);
  work_.notify_one();
}

void ExternalWaits::wait_in_thread(Wait& wait) {
  std::unique_lock lock(mutex_);
  int error = EINTR;
  while (!wait.interrupted && error == EINTR) {
    lock.unlock();
    error = ::flock(wait.fd, wait.operation) == 0 ? 0 : errno;
    lock.lock();
  }
  post_end(wait, error);
}

// With the mutex held: whoever sees `over` unset may still signal the thread.
void ExternalWaits::post_end(Wait& wait, int error) {
  wait.over = true;
  if (!stopping_) post_([this, ticket = wait.ticket, error] { finish(ticket, error); });
}

void ExternalWaits::finish(Ticket ticket, int error) {
  std::unique_ptr<Wait> wait;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waits_.find(ticket);
    if (found == waits_.end()) return;
    wait = std::move(found->second);
    waits_.erase(found);
  }
  if (wait->thread.joinable()) {
    wait->thread.join();
    --threads_;
  }
  ended_(ticket, error);
}

void ExternalWaits::sweep() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool nudged = sweep_once();
    const auto unswept = [](const auto& entry) {
      return !entry.second->over && !entry.second->thread.joinable();
    };
    if (nudged) {
      work_.wait_for(lock, kNudge);
    } else if (stopping_) {
      return;
    } else if (std::ranges::any_of(waits_, unswept)) {
      work_.wait_for(lock, kSweep);
    } else {
      work_.wait(lock);
    }
  }
}

// True where an interrupted thread has not answered yet.
bool ExternalWaits::sweep_once() {
  bool nudged = false;
  for (auto& [ticket, wait] : waits_) {
    if (wait->over) continue;
    if (wait->thread.joinable()) {
      if (!wait->interrupted) continue;
      ::pthread_kill(wait->thread.native_handle(), kInterrupt);
      nudged = true;
    } else if (wait->interrupted) {
      post_end(*wait, EINTR);
    } else if (const bool locked = ::flock(wait->fd, wait->operation | LOCK_NB) == 0;
               locked || errno != EWOULDBLOCK) {
      post_end(*wait, locked ? 0 : errno);
    }
  }
  return nudged;
}

}  // namespace locketd
