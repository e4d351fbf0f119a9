// Tells programs that a lock of theirs was lost: calls their callbacks, in a thread of its own that
// lasts as long as there is something to tell. Whoever learns of the loss may be a thread of the
// program's that waits for another lock, or the keeper, which must not wait for anybody's callback.
//
// Owned by Process (process.hpp). Thread-safe. Its mutex is the last in the order of mutexes, and
// is not held while a callback runs, so that one may call anything.

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

  // Replaces the handle's callback; an empty one is none. When it returns, no call of the earlier
  // one is under way but the caller's own.
  void set_callback(Owner owner, Callback callback);

  // One lost lock and the handle that it was acquired through, in a list: made before the loss is
  // noted anywhere, it takes no memory later.
  struct Loss {
    Owner owner = nullptr;
    proto::Token token = 0;
  };
  using Losses = std::list<Loss>;

  // Has the handles' callbacks called, where they have one.
  void announce(Losses losses) noexcept;

  // Whether no thread could be started for what there is to tell; and another attempt.
  [[nodiscard]] bool is_stuck();
  void try_again();

  // For fork: see fork_guard.hpp. The child keeps the callbacks and none of the calls.
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
  // On the heap, since a forked child must leave one alone on which others slept.
  std::unique_ptr<std::condition_variable> returned_ = std::make_unique<std::condition_variable>();
};

}  // namespace locket::client
