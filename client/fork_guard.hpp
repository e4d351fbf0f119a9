// Makes the library inert in a forked child for what its parent had (C10).
//
// The child has copies of its parent's descriptors and memory, and none of its threads. It closes
// the copies and forgets the rest, without a word to the daemon and without unlocking, which would
// unlock for the parent too. Then it is like a process that has not locked yet.
//
// Invariants:
//  1. fork waits until no other thread is amid a change: the forking one has all mutexes by then,
//     in their order, so that the child finds everything whole.
//  2. What belonged to threads that the child does not have, it leaves alone: it neither destroys
//     nor notifies condition variables on which they slept.

#pragma once

namespace locket::client {

struct Process;

// What fork does of itself for the process-wide one (process.cpp); for tests of others.
void before_fork(Process& process);
void after_fork_in_parent(Process& process);
void after_fork_in_child(Process& process);

}  // namespace locket::client
