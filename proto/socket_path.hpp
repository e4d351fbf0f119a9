// Where the daemon listens and the client looks. Pure, except that it reads the environment.

#pragma once

#include <expected>
#include <string>
#include <vector>

#include "proto/errors.hpp"

namespace locket::proto {

inline constexpr char kSystemSocket[] = "/run/locket/locketd.sock";

// $LOCKET_SOCKET alone if it is set; else $XDG_RUNTIME_DIR/locket/locketd.sock (the user's own
// daemon) if that variable is set, then kSystemSocket (the machine's). Clients try them in this
// order; a daemon binds the first.
std::vector<std::string> socket_candidates();

// The same without $LOCKET_SOCKET. Never empty.
std::vector<std::string> usual_sockets();

// An error for a path that does not fit into a socket address (107 bytes, unix(7)) or is empty,
// or has a NUL byte in it.
std::expected<void, Error> check_socket_path(const std::string& path);

}  // namespace locket::proto
