// Sockets and pidfds of sessions, in a set that the kernel watches (epoll(7)).
//
// Owned by Server, which has Asio wait for the set as a whole; outlives its watches. One thread
// only.
//
// Invariants:
//  1. A watch that has stopped is not called any more, also where its event had come already.
//  2. Whoever leaves something in his descriptor is called again, after all others that are ready:
//     nobody has to take all there is at once.
//  3. The kernel is told of a descriptor when its watch begins, changes or ends, and not with each
//     event, as Asio does; nor has a session coroutines that wait. So it takes 1,170 bytes, where
//     it took 4,500 with Asio alone.

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

// Calls `ready` with what has come (EPOLLIN and so on, epoll_ctl(2)) while it is started. May be
// stopped, and destroyed, from within.
class Watch {
 public:
  using Ready = std::function<void(std::uint32_t events)>;

  Watch(Watches& watches, Ready ready) : watches_(&watches), ready_(std::move(ready)) {}
  ~Watch() { stop(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // The descriptor is not owned. Beyond the events asked for, EPOLLHUP and EPOLLERR come always.
  // False where the kernel has no memory for it.
  bool start(int descriptor, std::uint32_t events);
  // Of the same descriptor; costs nothing where nothing changes.
  void change(std::uint32_t events);
  // From now on in that set. False, and as before, where the kernel has no memory for it.
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
  // Throws std::system_error where the system has no descriptor for it.
  explicit Watches(std::size_t at_once);
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  // Readable while any of them has something to call for.
  [[nodiscard]] int descriptor() const { return epoll_.get(); }

  // Calls those that are ready, none twice before all others, and no more than `most`, which is
  // `at_once` at most, those who only move away not counted: whoever is not of this set has his
  // turn after. Says how many.
  std::size_t serve(std::size_t most);
  std::size_t serve() { return serve(at_hand_.size()); }

 private:
  friend Watch;
  void forget(const Watch& watch);

  locket::proto::Descriptor epoll_;
  std::vector<epoll_event> at_hand_;
  std::size_t next_ = 0;  // of those at hand
  std::size_t end_ = 0;
  std::size_t turns_ = 0;  // that were had in this serve()
};

}  // namespace locketd
