// What this process wants, or has, of one lock: all that a daemon must be told to know it again
// after the one that knew it has gone (C9).
//
// In one place at any time: in the Pending that waits for it, then in Custody. Both are read under
// the connection's mutex when all claims are told again. Only the pointer to it moves.

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
  proto::Acquire asked;  // its timeout: what was left when it was told last
  proto::LockFile::State file;
  proto::Descriptor descriptor;
  std::optional<TimePoint> deadline = {};  // waiting only; none: for ever
  bool at_once = false;                    // does not wait, so that it has no place to lose
  bool park = false;                       // its file, when it has been held
  std::uint64_t forks = 0;                 // when it began: see Parking
  std::uint64_t parked_in = 0;             // the session on which asked.parked means something
  proto::Ticket ticket = 0;                // 0: never told
  TimePoint since = Clock::now();          // of its arrival; when held, of its grant
};

using ClaimPtr = std::unique_ptr<Claim>;

}  // namespace locket::client
