// Waits for locks that processes hold without this daemon.
//
// Role: flock(2) has no descriptor to poll, so a thread blocks in it, and the kernel wakes the
// thread at the release. Owned by FlockLocks. start(), interrupt() and finish() are for the loop's
// thread; `ended` is called there too, once for each start(), with errno: 0 locked, EINTR
// interrupted.
//
// Invariants:
//  1. At most kMaxThreads threads wait for local files, and as many for others; each user has at
//     most kMaxThreadsOfUser of either kind. Further waits, and those for which the system has no
//     thread, are retried every kSweep: on local files by one sweeper, on others by SlowFiles,
//     since a file system that hangs must not delay everyone else's waits (C15).
//  2. A descriptor given to start() is used until its `ended`; its owner must keep it open that
//     long.
//  3. No thread wakes while nothing changes, except the sweeper when there are more waits than
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
#include <vector>

#include "daemon/arbiter.hpp"
#include "daemon/slow_files.hpp"

namespace locketd {

class ExternalWaits {
 public:
  static constexpr std::size_t kMaxThreads = 64;
  static constexpr std::size_t kMaxThreadsOfUser = 16;
  static constexpr std::chrono::milliseconds kSweep{20};
  // After this time a thread that has not answered is interrupted again: a signal that comes
  // between its last look at `interrupted` and its system call is lost. Doubled each time, since a
  // file system may ignore the signal.
  static constexpr std::chrono::milliseconds kFirstNudge{1};
  static constexpr std::chrono::milliseconds kLastNudge{1000};

  using Ended = std::function<void(Ticket, int error)>;

  // What is waited for, and for which user.
  struct File {
    int descriptor = -1;
    SlowFiles::User user = 0;
    bool local = true;
  };

  ExternalWaits(SlowFiles::Post post, Ended ended, SlowFiles& slow);
  ~ExternalWaits();  // waits for all threads
  ExternalWaits(const ExternalWaits&) = delete;
  ExternalWaits& operator=(const ExternalWaits&) = delete;

  void start(Ticket ticket, const File& file, int operation);
  void interrupt(Ticket ticket);

  // Interrupts all waits; nothing is reported any more. False if threads still hang at the
  // deadline: then this object must not be destroyed.
  [[nodiscard]] bool finish(std::chrono::steady_clock::time_point deadline);

 private:
  struct Wait {
    Ticket ticket = 0;
    File file;
    int operation = 0;
    bool interrupted = false;
    bool retrying = false;  // by SlowFiles, right now
    bool over = false;      // its end is posted: the thread has left flock(2) for good
    std::thread thread;     // none: the wait is retried

    [[nodiscard]] bool in_thread() const { return thread.joinable() && !over; }
    // Whether neither its own thread nor one of SlowFiles serves it.
    [[nodiscard]] bool is_unserved() const { return !thread.joinable() && !over && !retrying; }
  };
  // Threads in use for one kind of file.
  struct Threads {
    std::size_t all = 0;
    std::unordered_map<SlowFiles::User, std::size_t> of_user;
  };

  bool start_thread(Wait& wait);
  void wait_in_thread(Wait& wait);
  void sweep();
  bool nudge();
  bool retry_others();
  bool retry_local(std::unique_lock<std::mutex>& lock);
  void retry_slowly(Wait& wait);
  void retried(Wait& wait, int error);
  void post_end(Wait& wait, int error);
  void finish_wait(Ticket ticket, int error);
  void wake();
  [[nodiscard]] bool all_left() const;
  Threads& threads_for(const File& file) { return file.local ? local_threads_ : other_threads_; }

  const SlowFiles::Post post_;
  const Ended ended_;
  SlowFiles& slow_;
  Threads local_threads_;  // both: the loop's thread only
  Threads other_threads_;

  std::mutex mutex_;  // guards all below
  std::condition_variable work_;
  std::condition_variable left_;
  std::unordered_map<Ticket, std::unique_ptr<Wait>> waits_;
  std::chrono::milliseconds next_nudge_ = kFirstNudge;
  bool woken_ = false;  // there is something new for the sweeper
  bool stopping_ = false;
  std::thread sweeper_;
};

}  // namespace locketd
