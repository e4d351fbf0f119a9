// What the program is when the supervisor starts it again: a worker, whose threads lock through
// liblocket, or the command that locketctl run or flock(1) runs while holding a lock.
//
// Each ends with its parent.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/chaos/arena.hpp"

namespace locket::chaos {

using Words = std::vector<std::string>;

// The arguments that start one, without the program itself.
Words worker_words(const Arena& arena, const std::string& folder, unsigned member,
                   std::uint64_t seed);
Words inside_words(const Arena& arena, unsigned member, Nanoseconds hold);

// The exit status, if these are the words of a role; else -1.
int play_role(const Words& words);

}  // namespace locket::chaos
