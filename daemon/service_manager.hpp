// The service manager that started this daemon, as far as the two talk: sd_notify(3) and the file
// descriptor store (systemd.service(5), FileDescriptorStoreMax=), what is in which comes back with
// the next start by sd_listen_fds_with_names(3).
//
// Owned by Server. Where no service manager is, nothing here does anything. Never blocks: what the
// manager has no room for now is put off until catch_up(), and it hears all in order.

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

  // Keeps a copy under that name: letters, digits, '.' and '-', 255 at most. False, and nothing is
  // put off, where there is no room now.
  [[nodiscard]] bool keep(std::string_view name, int descriptor);
  void forget(std::string_view name);

  // Something is put off. What is to be kept must wait for it.
  [[nodiscard]] bool is_behind() const { return !put_off_.empty(); }
  void catch_up();

  // How often WATCHDOG=1 is to be told at least: half of what the manager allows, see
  // sd_watchdog_enabled(3). None where it does not watch this process.
  [[nodiscard]] std::optional<std::chrono::microseconds> heartbeat() const { return heartbeat_; }

  [[nodiscard]] bool is_there() const { return static_cast<bool>(socket_); }

 private:
  [[nodiscard]] bool send(std::string_view message, int descriptor) const;

  locket::proto::Descriptor socket_;
  // No more than was kept when the first of them was put off, and some states.
  std::deque<std::string> put_off_;
  std::optional<std::chrono::microseconds> heartbeat_;
};

// What a service manager handed over at the start; $LISTEN_FDS and its kin are then unset.
struct Inherited {
  struct Named {
    std::string name;
    locket::proto::Descriptor descriptor;
  };
  std::vector<Named> sockets;  // of the socket units
  std::vector<Named> kept;     // of keep(), by an earlier daemon

  static Inherited take();
};

}  // namespace locketd
