// What the environment says.
//
// Thread-safe as getenv(3) is: as long as no thread changes the environment.

#pragma once

#include <optional>
#include <string>

namespace locket::proto {

// An empty variable counts as not set.
std::optional<std::string> variable(const std::string& name);

// Whether output to `fd` is to be coloured: on a terminal, unless NO_COLOR is set
// (https://no-color.org).
bool wants_colour(int fd);

}  // namespace locket::proto
