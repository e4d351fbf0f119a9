// Ends the kernel's lock on a lock file.

#pragma once

#include "proto/descriptor.hpp"

namespace locket::client {

// Unlocks the open file description and closes this descriptor of it. Unlocking ends the lock for
// all copies, which closing would do only with the last one: the daemon has a copy, and a forked
// child may. Harmless if nothing is locked. Cannot fail.
void os_unlock(proto::Descriptor descriptor);

// The same without closing it.
void os_unlock_open(int descriptor);

}  // namespace locket::client
