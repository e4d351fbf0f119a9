// Waits for descriptors, for points in time and for other threads, and calls who is concerned.
//
// Owned by Server, outlives its watches and timers. One thread only, but for post().
//
// Invariants:
//  1. A watch that has stopped is not called any more, also where its event had come already.
//  2. Whoever leaves something in his descriptor is called again, after all others that are ready:
//     nobody has to take all there is at once.
//  3. The kernel is told of a descriptor when its watch begins, changes or ends, and not with each
//     event. A watch takes 48 bytes; with Asio, a session took 2,900 more, and its end half as long
//     again, which is what thousands that die at once make all others wait for (C15).

#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/arbiter.hpp"
#include "proto/descriptor.hpp"

namespace locketd {

class Reactor {
 public:
  using Task = std::function<void()>;

  // Calls `ready` with what has come (EPOLLIN and so on, epoll_ctl(2)) while it is started. May be
  // stopped, and destroyed, from within.
  class Watch {
   public:
    using Ready = std::function<void(std::uint32_t events)>;

    Watch(Reactor& reactor, Ready ready) : reactor_(reactor), ready_(std::move(ready)) {}
    ~Watch() { stop(); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // The descriptor is not owned. Beyond the events asked for, EPOLLHUP and EPOLLERR come always.
    // False where the kernel has no memory for it.
    bool start(int descriptor, std::uint32_t events);
    // Of the same descriptor; costs nothing where nothing changes.
    void change(std::uint32_t events);
    void stop();

   private:
    friend Reactor;
    Reactor& reactor_;
    const Ready ready_;
    int descriptor_ = -1;
    std::uint32_t events_ = 0;
  };

  // Calls `expired` once, at the time that was set last.
  class Timer {
   public:
    Timer(Reactor& reactor, Task expired);
    void set(Monotonic when);

   private:
    locket::proto::Descriptor clock_;
    const Task expired_;
    Watch watch_;
  };

  // Throws std::system_error where the system has no descriptor for it.
  Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Until stop(), which may be called from within.
  void run();
  void stop() { stopped_ = true; }

  // Runs it soon, from run(), after others had their turn.
  void post(Task task);

 private:
  // More at once would not make it faster.
  static constexpr std::size_t kAtOnce = 64;

  void forget(const Watch& watch);
  void run_posted();

  locket::proto::Descriptor epoll_;
  locket::proto::Descriptor bell_;  // an eventfd(2): something was posted
  std::array<epoll_event, kAtOnce> at_hand_;
  std::size_t next_ = 0;  // of those at hand
  std::size_t end_ = 0;
  bool stopped_ = false;
  bool to_run_ = false;  // something was posted, by another thread if the bell told
  std::thread::id thread_;

  std::mutex mutex_;
  std::vector<Task> posted_;
  Watch bell_watch_;
};

}  // namespace locketd
