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

// Ignored by default, so that a stray one does no harm. Our handler has no SA_RESTART, so the
// signal makes flock(2) return EINTR: signal(7).
constexpr int kInterrupt = SIGURG;

void install_handler() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  ::sigaction(kInterrupt, &action, nullptr);
}

int try_once(int descriptor, int operation) {
  return ::flock(descriptor, operation | LOCK_NB) == 0 ? 0 : errno;
}

}  // namespace

ExternalWaits::ExternalWaits(SlowFiles::Post post, Ended ended, SlowFiles& slow)
    : post_(std::move(post)), ended_(std::move(ended)), slow_(slow) {
  install_handler();
  sweeper_ = std::thread([this] { sweep(); });
}

ExternalWaits::~ExternalWaits() {
  while (sweeper_.joinable()) {
    std::ignore = finish(std::chrono::steady_clock::now() + kLastNudge);
  }
}

void ExternalWaits::start(Ticket ticket, const File& file, int operation) {
  const std::lock_guard lock(mutex_);
  auto& wait = waits_[ticket] = std::make_unique<Wait>();
  wait->ticket = ticket;
  wait->file = file;
  wait->operation = operation;
  if (!start_thread(*wait)) wake();
}

// False if the threads for it are used up, or if the system has none.
bool ExternalWaits::start_thread(Wait& wait) {
  Threads& threads = threads_for(wait.file);
  std::size_t& of_user = threads.of_user[wait.file.user];
  if (threads.all == kMaxThreads || of_user == kMaxThreadsOfUser) return false;
  try {
    wait.thread = std::thread([this, &wait] { wait_in_thread(wait); });
  } catch (const std::system_error&) {
    return false;
  }
  ++threads.all;
  ++of_user;
  return true;
}

void ExternalWaits::interrupt(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  const auto found = waits_.find(ticket);
  if (found == waits_.end()) return;
  Wait& wait = *found->second;
  wait.interrupted = true;
  if (wait.in_thread()) ::pthread_kill(wait.thread.native_handle(), kInterrupt);
  next_nudge_ = kFirstNudge;
  wake();
}

bool ExternalWaits::finish(std::chrono::steady_clock::time_point deadline) {
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    for (auto& [ticket, wait] : waits_) wait->interrupted = true;
    next_nudge_ = kFirstNudge;
    wake();
    if (!left_.wait_until(lock, deadline, [this] { return all_left(); })) return false;
  }
  if (sweeper_.joinable()) sweeper_.join();
  for (auto& [ticket, wait] : waits_) {
    if (wait->thread.joinable()) wait->thread.join();
  }
  return true;
}

bool ExternalWaits::all_left() const {
  return std::ranges::none_of(waits_, [](const auto& entry) {
    return entry.second->in_thread() || entry.second->retrying;
  });
}

void ExternalWaits::wait_in_thread(Wait& wait) {
  std::unique_lock lock(mutex_);
  int error = EINTR;
  while (!wait.interrupted && error == EINTR) {
    lock.unlock();
    error = ::flock(wait.file.descriptor, wait.operation) == 0 ? 0 : errno;
    lock.lock();
  }
  post_end(wait, error);
}

// Called with the mutex held: while `over` is unset, the thread may still be signalled.
void ExternalWaits::post_end(Wait& wait, int error) {
  wait.over = true;
  left_.notify_all();
  if (!stopping_) post_([this, ticket = wait.ticket, error] { finish_wait(ticket, error); });
}

void ExternalWaits::finish_wait(Ticket ticket, int error) {
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
    Threads& threads = threads_for(wait->file);
    --threads.all;
    const auto of_user = threads.of_user.find(wait->file.user);
    if (--of_user->second == 0) threads.of_user.erase(of_user);
  }
  ended_(ticket, error);
}

// Called with the mutex held. The sweeper may be at work without it, and would miss a notification
// alone.
void ExternalWaits::wake() {
  woken_ = true;
  work_.notify_one();
}

void ExternalWaits::sweep() {
  const auto woken = [this] { return woken_; };
  std::unique_lock lock(mutex_);
  for (;;) {
    woken_ = false;
    const bool nudged = nudge();
    if (stopping_ && !nudged) return;
    const bool others = retry_others();
    const bool local = retry_local(lock);
    if (others || local) {
      work_.wait_for(lock, nudged ? std::min(kSweep, next_nudge_) : kSweep, woken);
    } else if (nudged) {
      work_.wait_for(lock, next_nudge_, woken);
    } else {
      work_.wait(lock, woken);
    }
  }
}

// True if an interrupted thread has not answered yet.
bool ExternalWaits::nudge() {
  bool nudged = false;
  for (auto& [ticket, wait] : waits_) {
    if (!wait->interrupted || !wait->in_thread()) continue;
    ::pthread_kill(wait->thread.native_handle(), kInterrupt);
    nudged = true;
  }
  next_nudge_ = nudged ? std::min(2 * next_nudge_, kLastNudge) : kFirstNudge;
  return nudged;
}

// Ends the interrupted waits that no thread serves, and hands those on files that are not local to
// SlowFiles. True while there are any of the latter.
bool ExternalWaits::retry_others() {
  bool more = false;
  for (auto& [ticket, wait] : waits_) {
    more = more || (wait->retrying && !wait->over);
    if (!wait->is_unserved()) continue;
    if (wait->interrupted) {
      post_end(*wait, EINTR);
    } else if (!wait->file.local) {
      retry_slowly(*wait);
      more = true;
    }
  }
  return more;
}

void ExternalWaits::retry_slowly(Wait& wait) {
  wait.retrying = slow_.run(wait.file.user, [this, &wait] {
    const int error = try_once(wait.file.descriptor, wait.operation);
    const std::lock_guard lock(mutex_);
    retried(wait, error);
    return 0;
  });
}

// True if there are any to retry. They may be many, so the mutex, which the loop wants, is released
// for each try; only this thread ends these waits.
bool ExternalWaits::retry_local(std::unique_lock<std::mutex>& lock) {
  std::vector<Wait*> local;
  for (auto& [ticket, wait] : waits_) {
    if (wait->is_unserved() && wait->file.local) local.push_back(wait.get());
  }
  for (Wait* const wait : local) {
    lock.unlock();
    const int error = try_once(wait->file.descriptor, wait->operation);
    lock.lock();
    retried(*wait, error);
    if (stopping_) break;
  }
  return !local.empty();
}

void ExternalWaits::retried(Wait& wait, int error) {
  wait.retrying = false;
  const bool busy = error == EWOULDBLOCK || error == EINTR;
  if (!busy) {
    post_end(wait, error);
  } else if (wait.interrupted) {
    post_end(wait, EINTR);
  }
  left_.notify_all();
}

}  // namespace locketd
