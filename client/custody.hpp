// What this process holds. The descriptors in here keep the kernel's locks alive, with or without a
// daemon (custody).
//
// Owned by Process (process.hpp). Thread-safe; never blocks and never calls out.
//
// Invariants:
//  1. A hold is in here from its grant until exactly one caller takes it out: of two threads that
//     race to release one hold, one gets it and the other gets nothing.
//  2. Who takes a hold out owns it and ends it: by release_hold(), or by handing its descriptor on.

#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "client/connection.hpp"
#include "proto/descriptor.hpp"
#include "proto/messages.hpp"

namespace locket::client {

struct Hold {
  proto::FileId file;
  proto::Token token = 0;
  proto::Mode mode = proto::Mode::exclusive;
  SessionId session = 0;  // to tell the release to
  proto::Descriptor descriptor;
  std::thread::id thread = std::this_thread::get_id();  // that acquired it
};

// Frees the lock for everybody: the kernel's lock first, which nothing can keep from happening,
// then the daemon's record of it, one way. The order matters (C7): once the notice is out, the
// kernel agrees. Does not block.
void release_hold(Hold hold, Connection& connection);

class Custody {
 public:
  // A handle, as far as custody cares: where the hold was acquired through.
  using Owner = const void*;

  void add(Owner owner, Hold hold);

  // The hold that the calling thread acquired last through this handle, else the last that anybody
  // did.
  std::optional<Hold> take(Owner owner);

  // Any hold on that file; the last one acquired through some handle.
  std::optional<Hold> take(proto::FileId file);

  // The token of what take() would take; 0 when there is none.
  [[nodiscard]] proto::Token peek(Owner owner) const;
  [[nodiscard]] proto::Token peek(proto::FileId file) const;

 private:
  using Holds = std::multimap<Owner, Hold>;  // a handle's holds in the order of their grants

  [[nodiscard]] Holds::const_iterator find(Owner owner) const;
  [[nodiscard]] Holds::const_iterator find(proto::FileId file) const;
  std::optional<Hold> extract(Holds::const_iterator found);

  mutable std::mutex mutex_;
  Holds holds_;
};

}  // namespace locket::client
