// What the environment says.
//
// Thread-safe as getenv(3) is: while nobody changes the environment.

#pragma once

#include <optional>
#include <string>

namespace locket::proto {

// One that is set to nothing counts as not set.
std::optional<std::string> variable(const std::string& name);

// Whether what is written there is to be coloured: on a terminal, and not with NO_COLOR
// (https://no-color.org).
bool wants_colour(int fd);

}  // namespace locket::proto
