// What this process holds. The descriptors in here keep the kernel's locks alive, with or without a
// daemon (custody).
//
// Owned by Process (process.hpp). Thread-safe; never blocks, and calls out only in with(). Its
// mutex is taken after the connection's when both are needed: see connection.hpp.
//
// Invariants:
//  1. A hold is in here from the moment its grant was read until exactly one caller takes it out:
//     of two threads that race to release one hold, one gets it and the other gets nothing.
//  2. The caller that takes a hold out owns it, and ends it with release_hold().
//  3. Until the thread that asked for it adopts it, a hold has no owner: no handle finds it.
//  4. A lost hold is found only by the thread that acquired it, through the same handle, or if
//     there is no other hold, and only to report the loss.

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "client/claim.hpp"
#include "client/parking.hpp"
#include "proto/messages.hpp"

namespace locket::client {

class Connection;
class Custody;
class Herald;

struct Hold {
  ClaimPtr claim;
  proto::Token token = 0;
  bool lost = false;       // the kernel's lock is gone, not through us
  std::thread::id thread;  // the one that acquired it
};

// Frees the lock for everyone: first the kernel's lock, which nothing can prevent, then the
// daemon's record of it, with a one-way notice. The order matters (C7): once the notice is out, the
// kernel agrees. Does not block.
void release_hold(Hold hold, Connection& connection);

// The kernel's lock of that hold is gone: marks the hold as lost and has its owner's callback
// called. Only once, and not if the hold has been released meanwhile.
void lose_hold(proto::Token token, Custody& custody, Herald& herald);

class Custody {
 public:
  // What holds are acquired through, as far as custody cares. It must outlive them.
  class Handle {
   public:
    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    Parking::Place place;  // of its file, between two holds

   private:
    friend Custody;
    std::vector<proto::Token> tokens_;  // of its holds, ascending; under the custody's mutex
  };

  // Moves the claim only once there is memory for the hold.
  void add(ClaimPtr& claim, proto::Token token);

  // The calling thread takes the hold for this handle. False if it was lost meanwhile.
  bool adopt(proto::Token token, Handle* owner);

  // The hold that the calling thread acquired last through this handle, lost or not, else the last
  // that any thread did.
  std::optional<Hold> take(const Handle* owner);

  // Any hold on that file that was acquired through some handle; the last such one.
  std::optional<Hold> take(proto::FileId file);

  // A hold that no handle has adopted.
  std::optional<Hold> take(proto::Token token);

  // The token of what take() would take; 0 if that is lost.
  [[nodiscard]] std::optional<proto::Token> peek(const Handle* owner) const;
  [[nodiscard]] proto::Token peek(proto::FileId file) const;  // 0 also if there is none

  // The tokens of all holds that are not lost, in the order of their grants.
  [[nodiscard]] std::vector<proto::Token> tokens() const;
  [[nodiscard]] bool holds_any() const;

  // Calls `look` with that hold while no one can take it out, so that its descriptor stays valid.
  // Does nothing if the hold is gone or lost.
  void with(proto::Token token, const std::function<void(const Hold&)>& look) const;

  // The kernel says that the lock is gone. Returns the hold's owner; null if it has none, is not
  // here, or was already lost.
  Handle* lose(proto::Token token) noexcept;

  // For fork: see fork_guard.hpp. The child drops what its parent holds, and unlocks nothing.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  void forget();

 private:
  struct Entry {
    Hold hold;
    Handle* owner = nullptr;  // null: not adopted yet
  };
  using Holds = std::map<proto::Token, Entry>;

  [[nodiscard]] Holds::const_iterator find(const Handle* owner) const;
  [[nodiscard]] Holds::const_iterator find(proto::FileId file) const;
  std::optional<Hold> extract(Holds::const_iterator found);

  mutable std::mutex mutex_;
  Holds holds_;
  std::size_t lost_ = 0;  // how many of holds_ are lost
};

}  // namespace locket::client
