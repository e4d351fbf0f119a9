#include "daemon/slow_files.hpp"

#include <system_error>
#include <thread>
#include <utility>

namespace locketd {

SlowFiles::~SlowFiles() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  thread_ended_.wait(lock, [this] { return threads_ == 0; });
}

bool SlowFiles::run(User user, Call&& call, Done done) {
  const std::lock_guard lock(mutex_);
  if (threads_ == 0 && !start_thread()) return false;
  Queue& queue = queues_[user];
  queue.tasks.push_back({std::move(call), std::move(done)});
  ++pending_;
  update(user, queue);
  // One thread for each call that may begin at once. If another thread takes the call first, the
  // new one ends.
  const bool may_begin = queue.running + queue.tasks.size() <= kMaxThreadsOfUser;
  if (may_begin && threads_ < kMaxThreads) start_thread();
  return true;
}

std::size_t SlowFiles::pending(User user) const {
  const std::lock_guard lock(mutex_);
  const auto found = queues_.find(user);
  return found == queues_.end() ? 0 : found->second.tasks.size() + found->second.running;
}

std::size_t SlowFiles::pending() const {
  const std::lock_guard lock(mutex_);
  return pending_;
}

bool SlowFiles::finish(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  return thread_ended_.wait_until(lock, deadline, [this] { return threads_ == 0; });
}

// The thread first takes the mutex, and so begins after run(). Detached: only finish() and the
// destructor wait for its end.
bool SlowFiles::start_thread() {
  try {
    std::thread([this] { work(); }).detach();
  } catch (const std::system_error&) {
    return false;
  }
  ++threads_;
  return true;
}

void SlowFiles::work() {
  std::unique_lock lock(mutex_);
  while (!ready_.empty()) {
    User user = 0;
    Task task = take_next(user);
    lock.unlock();
    const int error = task.call();
    lock.lock();
    if (task.done && !stopping_) post_([done = std::move(task.done), error] { done(error); });
    lock.unlock();
    task.call = nullptr;
    lock.lock();
    finished(user);
  }
  --threads_;
  thread_ended_.notify_all();
}

SlowFiles::Task SlowFiles::take_next(User& user) {
  user = ready_.front();
  ready_.pop_front();
  Queue& queue = queues_.at(user);
  Task task = std::move(queue.tasks.front());
  queue.tasks.pop_front();
  ++queue.running;
  queue.ready = false;
  update(user, queue);
  return task;
}

void SlowFiles::finished(User user) {
  const auto queue = queues_.find(user);
  --queue->second.running;
  --pending_;
  update(user, queue->second);
  if (queue->second.running == 0 && queue->second.tasks.empty()) queues_.erase(queue);
}

void SlowFiles::update(User user, Queue& queue) {
  if (queue.ready || queue.tasks.empty() || queue.running == kMaxThreadsOfUser) return;
  queue.ready = true;
  ready_.push_back(user);
}

}  // namespace locketd
