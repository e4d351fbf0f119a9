// The loop: accepts connections, gives sessions their turns, and wakes for deadlines.
//
// Role: owns the reactor, the sessions, dispatch and the OS locks. Owned by main, which holds
// SIGTERM and SIGINT back from everything else.

#pragma once

#include <memory>
#include <vector>

#include "daemon/listener.hpp"
#include "daemon/service_manager.hpp"
#include "daemon/user_limits.hpp"

namespace locketd {

class Server {
 public:
  // `kept` is what an earlier daemon gave to the service manager.
  Server(Listener listener, const UserLimits& limits, std::vector<Inherited::Named> kept);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Until SIGTERM or SIGINT. Then connections are closed and descriptors too, but nothing is
  // unlocked: whoever holds a lock goes on holding it. False where threads are left that hang in
  // somebody's file system: then the process must end by _exit(2) once this is destroyed.
  [[nodiscard]] bool run();

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace locketd
