// Reads the requests that every lock takes, exactly as encode() writes them: reading them as
// general JSON would take a third of the daemon's instructions for a lock.
//
// A pure function, thread-safe.

#pragma once

#include <optional>
#include <string_view>

#include "proto/messages.hpp"

namespace locket::proto {

// None if it is another request, or is written in any other way: then it must be read as general
// JSON.
std::optional<Request> read_own_request(std::string_view line);

}  // namespace locket::proto
