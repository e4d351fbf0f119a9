// All that the library keeps for this process: its one connection and its holds.
//
// Made on first use and never destroyed, so that locks released by static destructors or by threads
// that outlive main() still find it. The one place to make inert in a forked child.

#pragma once

#include "client/connection.hpp"
#include "client/custody.hpp"

namespace locket::client {

struct Process {
  Connection connection;
  Custody custody;
};

Process& process();

}  // namespace locket::client
