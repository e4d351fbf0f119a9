// What locketd is told: on its command line, by its environment and by its configuration file, in
// that order of precedence.

#pragma once

#include <optional>
#include <string>

#include "daemon/log.hpp"
#include "daemon/user_limits.hpp"
#include "proto/socket_path.hpp"

namespace locketd {

// As they are by default. Each has its row in settings.cpp.
struct Options {
  std::string socket = locket::proto::usual_sockets().front();
  log::Level log_level = log::Level::info;
  UserLimits limits;
};

// None when the process should end with `exit_status`: after --help, --version, --check-config or
// mistakes, about which everything has been printed. EX_USAGE: on the command line; EX_CONFIG: in
// the environment or in the file.
std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status);

}  // namespace locketd
