// Sleeping until a socket has something to say, somebody rings, or the time has come.
//
// An Alarm belongs to the one thread that sleeps on it; any thread may ring. It stays rung until
// that thread has woken.

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

  // What of the socket wakes the sleeper; that the other end has hung up always does.
  struct Interest {
    bool read = false;
    bool write = false;
  };

  // `socket` may be -1: none. True where something has come, of which the alarm is turned off; may
  // wake for no reason.
  bool sleep(int socket, Interest interest, TimePoint until) const;

 private:
  explicit Alarm(proto::Descriptor event) : event_(std::move(event)) {}

  proto::Descriptor event_;  // an eventfd(2)
};

}  // namespace locket::client
