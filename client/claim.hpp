// What this process wants, or holds, of one lock: all that a new daemon must be told to know the
// claim after the daemon that knew it has gone (C9).
//
// It is in one place at any time: in the Pending that waits for it, then in Custody. Both are read
// under the connection's mutex when all claims are told again. Only the pointer to it moves.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "client/deadline.hpp"
#include "proto/descriptor.hpp"
#include "proto/lock_file.hpp"
#include "proto/messages.hpp"

namespace locket::client {

struct Claim {
  proto::Acquire asked;  // its timeout: what was left when it was last told
  proto::LockFile::State file;
  proto::Descriptor descriptor;
  std::optional<TimePoint> deadline = {};  // waiting only; none: forever
  bool at_once = false;                    // does not wait, so it has no place to lose
  bool park = false;                       // park the file when the hold ends
  bool local = false;                      // its file system answers at once
  bool unlock_first = false;               // waiting only; a daemon that died may have locked it
  std::uint64_t forks = 0;                 // when it began: see Parking
  std::uint64_t parked_in = 0;             // the only session on which asked.parked is valid
  proto::Ticket ticket = 0;                // 0: never told
  TimePoint since = Clock::now();          // when it arrived; once held, when it was granted
};

using ClaimPtr = std::unique_ptr<Claim>;

}  // namespace locket::client
