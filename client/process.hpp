// All that the library keeps for this process: its one connection and its holds.
//
// Made on first use and never destroyed, so that releases from static destructors or from threads
// that outlive main() still find it. A forked child finds it empty: fork_guard.hpp.
//
// The order of the mutexes: handles, the connection's, the custody's, the herald's, the parking's.

#pragma once

#include <mutex>

#include "client/connection.hpp"
#include "client/custody.hpp"
#include "client/herald.hpp"
#include "client/parking.hpp"

namespace locket::client {

struct Process {
  explicit Process(Connection::Sockets sockets = proto::socket_candidates)
      : connection(std::move(sockets), custody, herald, parking) {}

  std::mutex handles;  // guards what threads may change in a handle; here for the fork guard
  Custody custody;
  Herald herald;
  Parking parking;
  Connection connection;
};

Process& process();

}  // namespace locket::client
