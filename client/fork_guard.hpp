// Makes the library in a forked child inert towards what its parent had (C10).
//
// The child has copies of its parent's descriptors and memory, but none of its threads. It closes
// the copies and forgets the rest, without a message to the daemon and without unlocking, which
// would unlock for the parent too. After that it is like a process that has not locked anything
// yet.
//
// Invariants:
//  1. fork waits until no other thread is in the middle of a change: by then the forking thread has
//     all mutexes, taken in their order, so the child finds everything consistent.
//  2. The child leaves alone what belonged to threads that it does not have: it neither destroys
//     nor notifies condition variables on which they slept.

#pragma once

namespace locket::client {

struct Process;

// What fork does by itself for the process-wide Process (process.cpp); for tests with others.
void before_fork(Process& process);
void after_fork_in_parent(Process& process);
void after_fork_in_child(Process& process);

}  // namespace locket::client
