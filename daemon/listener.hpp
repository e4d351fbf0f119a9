// The listening socket: handed over by systemd, or made here.

#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "daemon/service_manager.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"

namespace locketd {

// Owned by Server. The destructor removes the socket file if it was made here and is still the
// same.
class Listener {
 public:
  // Takes the socket that systemd handed over, if any; else binds `path`: makes its folder,
  // replaces a socket at which no daemon answers, and fails if one does.
  static std::expected<Listener, locket::proto::Error> open(const std::string& path,
                                                            std::vector<Inherited::Named> handed);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) noexcept = delete;
  ~Listener();

  [[nodiscard]] int descriptor() const { return socket_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }

  // Whether a daemon has bound this path before: its clients will come back. Not known for a socket
  // that was handed over: there KeptSessions::announce() tells.
  [[nodiscard]] bool had_predecessor() const { return had_predecessor_; }

 private:
  struct Identity {
    unsigned long device;
    unsigned long inode;
  };

  Listener(locket::proto::Descriptor socket, std::string path)
      : socket_(std::move(socket)), path_(std::move(path)) {}

  static std::expected<Listener, locket::proto::Error> bind(const std::string& path);

  locket::proto::Descriptor socket_;
  std::string path_;
  locket::proto::Descriptor guard_;  // locked: no two daemons replace each other's socket
  std::optional<Identity> made_;
  bool had_predecessor_ = false;
};

}  // namespace locketd
