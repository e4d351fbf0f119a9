// Tells programs that one of their locks was lost: calls their callbacks, in its own thread, which
// lasts as long as there is something to tell. The loss may be detected by one of the program's
// threads that waits for another lock, or by the keeper, which must not wait for a callback.
//
// Owned by Process (process.hpp). Thread-safe. Only the parking's mutex comes after its own in the
// order of mutexes. Its mutex is not held while a callback runs, so a callback may call anything.

#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "proto/messages.hpp"

namespace locket::client {

class Herald {
 public:
  using Owner = const void*;  // a handle
  using Callback = std::function<void(proto::Token)>;

  Herald() = default;
  ~Herald();
  Herald(const Herald&) = delete;
  Herald& operator=(const Herald&) = delete;

  // Replaces the handle's callback; an empty one means none. When it returns, no call of the
  // earlier callback is in progress, except one that the caller itself is in.
  void set_callback(Owner owner, Callback callback);

  // One lost lock and the handle it was acquired through, as a list: made before the loss is
  // recorded anywhere, so that reporting it needs no memory.
  struct Loss {
    Owner owner = nullptr;
    proto::Token token = 0;
  };
  using Losses = std::list<Loss>;

  // Has the handles' callbacks called, for those that have one.
  void announce(Losses losses) noexcept;

  // Whether no thread could be started to report what is pending; and another attempt to start it.
  [[nodiscard]] bool is_stuck();
  void try_again();

  // For fork: see fork_guard.hpp. The child keeps the callbacks and drops the pending calls.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  void forget();

 private:
  static void* main(void* self);
  void tell_all();
  void start();

  std::mutex mutex_;
  std::map<Owner, std::shared_ptr<const Callback>> callbacks_;
  Losses untold_;
  bool running_ = false;
  Owner called_ = nullptr;  // whose callback runs
  std::thread::id caller_;  // and in which thread
  // On the heap, since a forked child must not destroy one on which other threads slept.
  std::unique_ptr<std::condition_variable> returned_ = std::make_unique<std::condition_variable>();
};

}  // namespace locket::client
