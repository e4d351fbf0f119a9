// Talks to the service manager that started this daemon: sd_notify(3), and the file descriptor
// store (systemd.service(5), FileDescriptorStoreMax=), whose content comes back at the next start
// by sd_listen_fds_with_names(3).
//
// Owned by Server. Does nothing if there is no service manager. Never blocks: messages for which
// the manager has no room now are put off until catch_up(), and all arrive in order.

#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/descriptor.hpp"

namespace locketd {

class ServiceManager {
 public:
  ServiceManager();  // by $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, which are then unset

  void tell(std::string_view state);  // such as READY=1

  // Has the manager keep a copy under that name: letters, digits, '.' and '-', 255 at most. False,
  // and nothing is put off, if there is no room now.
  [[nodiscard]] bool keep(std::string_view name, int descriptor);
  void forget(std::string_view name);

  // Whether messages are put off. keep() fails until they are sent.
  [[nodiscard]] bool is_behind() const { return !put_off_.empty(); }
  void catch_up();

  // How often WATCHDOG=1 must be sent at least: half of the time that the manager allows, see
  // sd_watchdog_enabled(3). None if it does not watch this process.
  [[nodiscard]] std::optional<std::chrono::microseconds> heartbeat() const { return heartbeat_; }

  [[nodiscard]] bool is_there() const { return static_cast<bool>(socket_); }

 private:
  [[nodiscard]] bool send(std::string_view message, int descriptor) const;

  locket::proto::Descriptor socket_;
  // At most as many as were kept when the first of them was put off, and some states.
  std::deque<std::string> put_off_;
  std::optional<std::chrono::microseconds> heartbeat_;
};

// What a service manager handed over at the start; take() unsets $LISTEN_FDS and its kin.
struct Inherited {
  struct Named {
    std::string name;
    locket::proto::Descriptor descriptor;
  };
  std::vector<Named> sockets;  // of the socket units
  std::vector<Named> kept;     // given to keep() by an earlier daemon

  static Inherited take();
};

}  // namespace locketd
