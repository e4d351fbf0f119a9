// Whether a lock that this process holds was taken away by force.

#pragma once

#include "proto/messages.hpp"

namespace locket::client {

class Custody;

// Asks the kernel about the open file of that hold: true if it has no lock any more. False also if
// that is unknown: without a Linux /proc, and on FUSE, where a file system may manage its locks
// itself. Blocks as long as such a file system does, but no other thread waits for it. Thread-safe.
bool is_lock_lost(const Custody& custody, proto::Token token);

}  // namespace locket::client
