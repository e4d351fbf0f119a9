// The loop: accepts connections, gives sessions their turns, and wakes for deadlines.
//
// Role: owns the io_context, the sessions, dispatch and the OS locks; nothing else includes Asio
// but the acceptor. Owned by main.

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
    bool failed = false;   // by an exception, of which the log tells
    bool hanging = false;  // threads are left that hang in somebody's file system
  };

  // Until SIGTERM or SIGINT, or until it fails. Then connections are closed and descriptors too,
  // but nothing is unlocked: whoever holds a lock goes on holding it. Where threads hang, the
  // process must end by _exit(2) once this is destroyed.
  // `kept` is what an earlier daemon gave to the service manager.
  [[nodiscard]] End run(std::vector<Inherited::Named> kept);

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace locketd
