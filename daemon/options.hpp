// What locketd is told on its command line and by its environment.

#pragma once

#include <optional>
#include <string>

#include "daemon/log.hpp"
#include "daemon/user_limits.hpp"

namespace locketd {

struct Options {
  std::string socket;
  log::Level log_level = log::Level::info;
  UserLimits limits;
};

// None when the process should end with `exit_status`: after --help, --version or a mistake, about
// which everything has been printed.
std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status);

}  // namespace locketd
