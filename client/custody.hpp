// What this process holds. The descriptors in here keep the kernel's locks alive, with or without a
// daemon (custody).
//
// Owned by Process (process.hpp). Thread-safe; never blocks, and calls out only in with(). Its
// mutex is taken after the connection's where both are: see connection.hpp.
//
// Invariants:
//  1. A hold is in here from the moment that its grant was read until exactly one caller takes it
//     out: of two threads that race to release one hold, one gets it and the other gets nothing.
//  2. Who takes a hold out owns it and ends it: by release_hold().
//  3. Until the thread that asked for it adopts it, a hold is nobody's: no handle finds it.
//  4. A hold that was lost is found only where there is no other, and only to say so.

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
  bool lost = false;       // the kernel's lock is gone, by no doing of ours
  std::thread::id thread;  // that acquired it
};

// Frees the lock for everybody: the kernel's lock first, which nothing can keep from happening,
// then the daemon's record of it, one way. The order matters (C7): once the notice is out, the
// kernel agrees. Does not block.
void release_hold(Hold hold, Connection& connection);

// The kernel's lock of that hold is gone: notes it, and has the owner's callback called. Once, and
// not where it has been released meanwhile.
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
    std::vector<proto::Token> tokens_;  // of its holds, in order; under the custody's mutex
  };

  // Moves the claim, once there is memory for it.
  void add(ClaimPtr& claim, proto::Token token);

  // The calling thread takes it for this handle. False where it was lost meanwhile.
  bool adopt(proto::Token token, Handle* owner);

  // The hold that the calling thread acquired last through this handle, else the last that anybody
  // did.
  std::optional<Hold> take(const Handle* owner);

  // Any hold on that file; the last one acquired through some handle.
  std::optional<Hold> take(proto::FileId file);

  // One that nobody has adopted.
  std::optional<Hold> take(proto::Token token);

  // The token of what take() would take; 0 when there is none but lost ones.
  [[nodiscard]] proto::Token peek(const Handle* owner) const;
  [[nodiscard]] proto::Token peek(proto::FileId file) const;

  // The tokens of all that are not lost, in the order of their grants.
  [[nodiscard]] std::vector<proto::Token> tokens() const;
  [[nodiscard]] bool holds_any() const;

  // Shows that hold while nobody can take it out, so that its descriptor stays what it is. Not when
  // it is gone or lost.
  void with(proto::Token token, const std::function<void(const Hold&)>& look) const;

  // The kernel says that it is gone. Whose it was; null where nobody knows of it.
  Handle* lose(proto::Token token) noexcept;

  // For fork: see fork_guard.hpp. The child drops what its parent holds, and unlocks nothing.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  void forget();

 private:
  struct Entry {
    Hold hold;
    Handle* owner = nullptr;  // null: nobody yet
  };
  using Holds = std::map<proto::Token, Entry>;

  [[nodiscard]] Holds::const_iterator find(const Handle* owner) const;
  [[nodiscard]] Holds::const_iterator find(proto::FileId file) const;
  std::optional<Hold> extract(Holds::const_iterator found);

  mutable std::mutex mutex_;
  Holds holds_;
  std::size_t lost_ = 0;  // of those in holds_
};

}  // namespace locket::client
