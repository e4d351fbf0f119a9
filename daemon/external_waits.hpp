// Waiting for locks that processes without this daemon hold.
//
// Role: flock(2) has no descriptor to poll, so a thread blocks in it for us and the kernel wakes it
// at the release. Owned by FlockLocks. start() and interrupt() are for the loop's thread; `ended`
// is called there too, once for each start(), with errno: 0 locked, EINTR interrupted.
//
// Invariants:
//  1. At most kMaxThreads threads wait; further waits, and those for which there is no thread,
//     are retried by one sweeper every kSweep.
//  2. A descriptor given to start() is used until its `ended`, so its owner must keep it that long.
//  3. No thread wakes while nothing changes, but for the sweeper when there are more waits than
//     threads or while an interrupted thread has not answered yet.

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "daemon/arbiter.hpp"

namespace locketd {

class ExternalWaits {
 public:
  static constexpr std::size_t kMaxThreads = 64;
  static constexpr std::chrono::milliseconds kSweep{20};
  // How soon a thread is interrupted again that did not answer: the signal can come between its
  // last look at `interrupted` and its system call, and is lost then.
  static constexpr std::chrono::milliseconds kNudge{1};

  using Post = std::function<void(std::function<void()>)>;
  using Ended = std::function<void(Ticket, int error)>;

  ExternalWaits(Post post, Ended ended);
  ~ExternalWaits();  // interrupts and joins
  ExternalWaits(const ExternalWaits&) = delete;
  ExternalWaits& operator=(const ExternalWaits&) = delete;

  void start(Ticket ticket, int fd, int operation);
  void interrupt(Ticket ticket);

 private:
  struct Wait {
    Ticket ticket = 0;
    int fd = -1;
    int operation = 0;
    bool interrupted = false;
    bool over = false;   // the thread has left flock(2) for good
    std::thread thread;  // none: one for the sweeper
  };

  bool start_thread(Wait& wait);
  void wait_in_thread(Wait& wait);
  void sweep();
  bool sweep_once();
  void post_end(Wait& wait, int error);
  void finish(Ticket ticket, int error);

  const Post post_;
  const Ended ended_;
  std::size_t threads_ = 0;  // the loop's thread only

  std::mutex mutex_;  // guards all below
  std::condition_variable work_;
  std::unordered_map<Ticket, std::unique_ptr<Wait>> waits_;
  bool stopping_ = false;
  std::thread sweeper_;
};

}  // namespace locketd
