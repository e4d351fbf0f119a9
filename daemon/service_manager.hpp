// The service manager that started this daemon, as far as the two talk: sd_notify(3) and the file
// descriptor store (systemd.service(5), FileDescriptorStoreMax=), what is in which comes back with
// the next start by sd_listen_fds_with_names(3).
//
// Owned by Server. Where no service manager is, nothing here does anything. Never blocks for long:
// the manager's socket takes datagrams, and what it does not take is dropped.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/descriptor.hpp"

namespace locketd {

class ServiceManager {
 public:
  ServiceManager();  // by $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, which are then unset

  void tell(std::string_view state) const;  // such as READY=1

  // Keeps a copy under that name: letters, digits, '.' and '-', 255 at most.
  void keep(std::string_view name, int descriptor) const;
  void forget(std::string_view name) const;

  // How often WATCHDOG=1 is to be told at least: half of what the manager allows, see
  // sd_watchdog_enabled(3). None where it does not watch this process.
  [[nodiscard]] std::optional<std::chrono::microseconds> heartbeat() const { return heartbeat_; }

  [[nodiscard]] bool is_there() const { return static_cast<bool>(socket_); }

 private:
  void send(std::string_view message, int descriptor) const;

  locket::proto::Descriptor socket_;
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
