// Calls on files whose file system may keep the caller waiting as long as it likes (C15).
//
// Role: makes the calls on threads of its own, of which each user has a share, so that a user who
// passes files that hang delays nobody else. Owned by FlockLocks. run(), pending() and finish() are
// for the loop's thread; `done` is called there too.
//
// Invariants:
//  1. A user's calls begin in order, at most kMaxThreadsOfUser of them at a time.
//  2. What a call owns is destroyed on the thread that made it, after `done` was posted: closing a
//     descriptor may hang as well.
//  3. A thread starts when there is a call to make, and ends when there is none.

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>

namespace locketd {

class SlowFiles {
 public:
  // While all of these hang, only users with slow files of their own have to wait. At
  // kMaxThreadsOfUser each, that takes the files of 16 users.
  static constexpr std::size_t kMaxThreads = 64;
  static constexpr std::size_t kMaxThreadsOfUser = 4;

  using User = std::uint32_t;
  using Call = std::move_only_function<int()>;  // errno, or 0
  using Done = std::function<void(int)>;
  using Post = std::function<void(std::function<void()>)>;  // runs it on the loop's thread, soon

  explicit SlowFiles(Post post) : post_(std::move(post)) {}
  ~SlowFiles();  // waits for all calls
  SlowFiles(const SlowFiles&) = delete;
  SlowFiles& operator=(const SlowFiles&) = delete;

  // False if the system has no thread for the call, which then stays with the caller.
  [[nodiscard]] bool run(User user, Call&& call, Done done = {});

  // How many of the user's calls are under way or have yet to begin.
  [[nodiscard]] std::size_t pending(User user) const;
  [[nodiscard]] std::size_t pending() const;  // of all users

  // Nothing is posted any more. False if calls still hang at the deadline: then this object must
  // not be destroyed, since their threads use it.
  [[nodiscard]] bool finish(std::chrono::steady_clock::time_point deadline);

 private:
  struct Task {
    Call call;
    Done done;
  };
  struct Queue {
    std::deque<Task> tasks;
    std::size_t running = 0;
    bool ready = false;
  };

  bool start_thread();
  void work();
  Task take_next(User& user);
  void finished(User user);
  void update(User user, Queue& queue);

  const Post post_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable thread_ended_;
  std::unordered_map<User, Queue> queues_;
  std::deque<User> ready_;  // users with a call that may begin; once each, served in turn
  std::size_t threads_ = 0;
  std::size_t pending_ = 0;
  bool stopping_ = false;
};

}  // namespace locketd
