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
  std::string path;
};

// The first socket that takes a connection. Error::os_error is EAGAIN where a daemon lives but its
// backlog is full, which is worth another try; else the error (Errc::no_daemon) tells what was
// tried and what to do.
std::expected<Found, proto::Error> find_daemon(const std::vector<std::string>& sockets);

}  // namespace locket::client
