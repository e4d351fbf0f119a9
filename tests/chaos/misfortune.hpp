// The ways a process can end, or split, that only it can time well.
//
// Called by a worker's threads. A process that dies here is marked as dying first (arena.hpp,
// invariant 2).

#pragma once

#include <cstdint>
#include <string>

#include "tests/chaos/arena.hpp"

namespace locket::chaos {

class LockFiles;

// SIGKILL after that time, whatever the process does then: connects, sends, waits, holds, releases.
void die_within(World& world, unsigned member, Nanoseconds time);

// SIGKILL with half a request sent, including its descriptor.
[[noreturn]] void die_within_a_message(World& world, unsigned member, const std::string& path);

// Ends like a program that forgot about the locks it holds.
[[noreturn]] void vanish(World& world, unsigned member);

// Forks a child that inherits every descriptor and lives on for a while, even if this process does
// not; then the supervisor becomes its parent. Some of them lock for themselves (C10).
void leave_child(World& world, const LockFiles& files, Nanoseconds life, std::uint64_t seed);

}  // namespace locket::chaos
