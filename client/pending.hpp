// Where a call waits for its answer: the inside of connection.hpp's Pending.
//
// Owned by its Pending, and known to the connection until it is answered or abandoned; all of it
// under the connection's mutex.

#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>

#include "client/claim.hpp"
#include "client/connection.hpp"
#include "client/os_unlock.hpp"
#include "client/wake_calls.hpp"
#include "proto/messages.hpp"

namespace locket::client {

// Making it needs no memory.
inline proto::Failure no_memory(proto::Errc code = proto::Errc::internal_error) noexcept {
  return {{code, "out of memory", ENOMEM}, std::nullopt};
}

struct Pending::Slot {
  Slot() = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  // A claim that ends in any way other than becoming a Hold unlocks its file: a daemon that died
  // may have locked it already, and a forked child may have another copy of the descriptor.
  ~Slot() {
    if (claim) os_unlock(std::move(claim->descriptor));
  }

  proto::RequestId id = 0;
  std::optional<proto::Answer> answer;
  bool waiting = false;  // a thread is in wait()
  Sleeper sleeper;       // of the thread that has slept as a follower; null: none has

  ClaimPtr claim;                   // of a call for a lock
  std::uint64_t first_session = 0;  // on which the claim was told, or is to be; 0: none yet
  std::uint64_t session = 0;        // the last such one
};

}  // namespace locket::client
