// locketd's options: from its command line, its environment and its configuration file, in that
// order of precedence.

#pragma once

#include <optional>
#include <string>

#include "daemon/log.hpp"
#include "daemon/user_limits.hpp"
#include "proto/socket_path.hpp"

namespace locketd {

// With their defaults. Each has its row in settings.cpp.
struct Options {
  std::string socket = locket::proto::usual_sockets().front();
  log::Level log_level = log::Level::info;
  UserLimits limits;
};

// None if the process should end with `exit_status`: after --help, --version or --check-config, or
// after mistakes, which have been printed. EX_USAGE: a mistake on the command line; EX_CONFIG: one
// in the environment or in the file.
std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status);

}  // namespace locketd
