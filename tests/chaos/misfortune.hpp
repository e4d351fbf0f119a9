// The ways in which a process can end, or split, that nobody else can time so well.
//
// Called by the threads of a worker. Whoever dies here is said to be dying before (arena.hpp,
// invariant 2).

#pragma once

#include <cstdint>
#include <string>

#include "tests/chaos/arena.hpp"

namespace locket::chaos {

class LockFiles;

// SIGKILL after that time, whatever the process then does: connects, sends, waits, holds, releases.
void die_within(World& world, unsigned member, Nanoseconds time);

// SIGKILL with half a request sent, its descriptor and all.
[[noreturn]] void die_within_a_message(World& world, unsigned member, const std::string& path);

// Ends like a program that forgot that it holds locks.
[[noreturn]] void vanish(World& world, unsigned member);

// Forks a child that inherits every descriptor and lives on for some time, also when this process
// does not; its parent is the supervisor then. Some lock for themselves (C10).
void leave_child(World& world, const LockFiles& files, Nanoseconds life, std::uint64_t seed);

}  // namespace locket::chaos
