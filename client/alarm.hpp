// Sleeps until a socket is ready, another thread rings, or a point in time is reached.
//
// An Alarm belongs to the one thread that sleeps on it; any thread may ring it. A ring stays
// pending until that thread has woken.

#pragma once

#include <expected>
#include <utility>

#include "client/deadline.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"

namespace locket::client {

class Alarm {
 public:
  static std::expected<Alarm, proto::Error> make();

  void ring() const;
  void close() { event_.reset(); }

  // Which socket events wake the sleeper; a hang-up by the other end always does.
  struct Interest {
    bool read = false;
    bool write = false;
  };

  // `socket` may be -1: none. Returns true if there was an event or a ring, and clears the ring.
  // May wake for no reason.
  bool sleep(int socket, Interest interest, TimePoint until) const;

 private:
  explicit Alarm(proto::Descriptor event) : event_(std::move(event)) {}

  proto::Descriptor event_;  // an eventfd(2)
};

}  // namespace locket::client
