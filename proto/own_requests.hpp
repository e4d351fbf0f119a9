// The requests that each lock takes, read to the letter as encode() writes them: a third of the
// daemon's instructions for a lock would go into reading them as JSON in general.
//
// A pure function, thread-safe.

#pragma once

#include <optional>
#include <string_view>

#include "proto/messages.hpp"

namespace locket::proto {

// None where it is another request, or as anybody else would write it: then it is to be read in
// general.
std::optional<Request> read_own_request(std::string_view line);

}  // namespace locket::proto
