// The loop: accepts connections, gives sessions their turns, and wakes for deadlines.
//
// Role: owns the io_context, the sessions, dispatch and the OS locks; only this and the acceptor
// include Asio. Owned by main.

#pragma once

#include <memory>
#include <vector>

#include "daemon/listener.hpp"
#include "daemon/service_manager.hpp"
#include "daemon/user_limits.hpp"

namespace locketd {

class Server {
 public:
  Server(Listener listener, const UserLimits& limits);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  struct End {
    bool failed = false;   // by an exception, which is logged
    bool hanging = false;  // some threads still hang in a file system
  };

  // Runs until SIGTERM, SIGINT or a failure. Then connections and descriptors are closed, but
  // nothing is unlocked: holders keep their locks. If threads hang, the process must end by
  // _exit(2) once this is destroyed.
  // `kept` is what an earlier daemon gave to the service manager.
  [[nodiscard]] End run(std::vector<Inherited::Named> kept);

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace locketd
