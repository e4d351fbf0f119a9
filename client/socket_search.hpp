// Finding the daemon: tries the sockets where one may listen, in order.
//
// Never blocks. Thread-safe.

#pragma once

#include <expected>
#include <string>
#include <vector>

#include "proto/descriptor.hpp"
#include "proto/errors.hpp"

namespace locket::client {

struct Found {
  proto::Descriptor socket;
  std::string path;  // absolute, unless that is too long for a socket
};

// The first socket that accepts a connection. Error::os_error is EAGAIN if a daemon is there but
// its backlog is full, which is worth a retry; otherwise the error (Errc::no_daemon) says what was
// tried and what to do.
std::expected<Found, proto::Error> find_daemon(const std::vector<std::string>& sockets);

}  // namespace locket::client
