// Whether a lock that this process had was taken away by force.

#pragma once

namespace locket::client {

// The kernel's word on an open file that was locked: true where it has no lock any more. False also
// where that cannot be told: without /proc, and on FUSE, where a file system may keep its locks to
// itself. Blocks as long as such a one does. Thread-safe.
bool is_lock_lost(int descriptor);

}  // namespace locket::client
