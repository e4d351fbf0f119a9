// Sockets and pidfds of sessions, in a set that the kernel watches (epoll(7)).
//
// Owned by Server, which has Asio wait for the set as a whole; outlives its watches. One thread
// only.
//
// Invariants:
//  1. A watch that has stopped is not called any more, even if its event has come already.
//  2. A watch that leaves input in its descriptor is called again after all others that are ready,
//     so that none has to take everything at once.
//  3. The kernel is told of a descriptor when its watch begins, changes or ends, not at each event
//     as with Asio, and a session has no waiting coroutines. So a session takes 1,170 bytes,
//     instead of 4,500 with Asio alone.

#pragma once

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "proto/descriptor.hpp"

namespace locketd {

class Watches;

// While started, calls `ready` with what has come (EPOLLIN and so on, epoll_ctl(2)). May be stopped
// or destroyed from within that call.
class Watch {
 public:
  using Ready = std::function<void(std::uint32_t events)>;

  Watch(Watches& watches, Ready ready) : watches_(&watches), ready_(std::move(ready)) {}
  ~Watch() { stop(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // The descriptor is not owned. EPOLLHUP and EPOLLERR come in addition to the events asked for.
  // False if the kernel has no memory for it.
  bool start(int descriptor, std::uint32_t events);
  // For the same descriptor; costs nothing if nothing changes.
  void change(std::uint32_t events);
  // Moves the watch to that set. False, and nothing changes, if the kernel has no memory for it.
  bool move(Watches& other);
  void stop();

 private:
  friend Watches;
  Watches* watches_;
  const Ready ready_;
  int descriptor_ = -1;
  std::uint32_t events_ = 0;
};

class Watches {
 public:
  // Throws std::system_error if the system has no descriptor for it.
  explicit Watches(std::size_t at_once);
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  // Readable while any of the watches is ready.
  [[nodiscard]] int descriptor() const { return epoll_.get(); }

  // Calls the watches that are ready, none twice before all others, and no more than `most` (at
  // most `at_once`), so that everything outside of this set has its turn. Those that only move away
  // do not count. Returns how many were called.
  std::size_t serve(std::size_t most);
  std::size_t serve() { return serve(at_hand_.size()); }

 private:
  friend Watch;
  void forget(const Watch& watch);

  locket::proto::Descriptor epoll_;
  std::vector<epoll_event> at_hand_;
  std::size_t next_ = 0;  // of those at hand
  std::size_t end_ = 0;
  std::size_t turns_ = 0;  // calls made in this serve()
};

}  // namespace locketd
