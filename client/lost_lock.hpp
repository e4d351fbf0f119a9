// Whether a lock that this process has was taken away by force.

#pragma once

#include "proto/messages.hpp"

namespace locket::client {

class Custody;

// The kernel's word on the open file of that hold: true where it has no lock any more. False also
// where that cannot be told: without a Linux /proc, and on FUSE, where a file system may keep its
// locks to itself. Blocks as long as such a one does, but keeps nobody else waiting. Thread-safe.
bool is_lock_lost(const Custody& custody, proto::Token token);

}  // namespace locket::client
