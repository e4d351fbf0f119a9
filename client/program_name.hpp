// This process's name, for the daemon to show if it cannot see that itself.

#pragma once

#include <string>

namespace locket::client {

// Escaped, and short enough for the protocol. Thread-safe.
std::string program_name();

}  // namespace locket::client
