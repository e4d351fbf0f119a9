// The thread that guards this process's claims: sleeps until the daemon goes away, then makes sure
// that a new one is told of every claim (C9).
//
//     sleeps ──▶ the daemon hangs up ──▶ connects again ──▶ claims are told again ──▶ sleeps
//                                          ▲    │ no daemon there
//                                          └────┘ 1, 2, 4 ... 100 ms
//
// Part of Connection, which does the work in the keeper's turns; here is only the thread. Unless a
// file is parked, neither replies for other threads nor the passing of time wake it: a process that
// holds a lock under a healthy daemon costs nothing. Everything except the thread itself is called
// under the connection's mutex.

#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "client/alarm.hpp"
#include "client/deadline.hpp"

namespace locket::client {

class Channel;
class Connection;

// What the keeper sleeps for, besides being alerted.
struct Watch {
  std::shared_ptr<Channel> channel;  // null: none
  Alarm::Interest interest = {};
  TimePoint until = kNever;
};

class Keeper {
 public:
  explicit Keeper(Connection& connection) : connection_(connection) {}
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // Starts the thread if there is none. If the system has no room for one, the threads that wait do
  // its work.
  void start();
  [[nodiscard]] bool is_running() const { return running_; }

  // There is something new to watch.
  void alert() const;

  // Ends the thread and waits until it has ended.
  void stop(std::unique_lock<std::mutex>& lock);

  // In a forked child, which does not have this thread.
  void forget();

 private:
  static void* main(void* self);
  void keep();
  Watch do_what_is_due();

  Connection& connection_;
  std::optional<Alarm> alarm_;
  bool running_ = false;
  bool stopping_ = false;
  std::condition_variable ended_;
};

}  // namespace locket::client
