// A handle on the lock of one file: what locket.h shows as locket_lock.
//
// Owned by the program. Thread-safe but for its destruction. Every handle on the same file is the
// same lock (C5), since who holds what is known to the process's Custody and not to the handle.

#pragma once

#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "client/acquisition.hpp"
#include "client/custody.hpp"
#include "client/process.hpp"
#include "proto/errors.hpp"
#include "proto/messages.hpp"

namespace locket::client {

class Lock {
 public:
  // `path` is bytes; made absolute here, by the working directory of now.
  static std::expected<std::unique_ptr<Lock>, proto::Error> make(
      const std::string& path, Process& process = client::process());

  // Releases what was acquired through this handle and is still held.
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // Blocks until the lock is had or the timeout (none: for ever; checked by check_timeout) is over.
  std::expected<proto::Token, proto::Failure> acquire(proto::Mode mode,
                                                      std::optional<proto::Seconds> timeout);

  // The same in steps, for who wants to do something while waiting: wait on the Acquisition, and
  // adopt() the hold that comes of it.
  std::expected<Acquisition, proto::Failure> begin(proto::Mode mode,
                                                   std::optional<proto::Seconds> timeout);
  proto::Token adopt(Hold hold);

  // Errc::not_held when there is nothing to release. Never blocks on the daemon.
  std::expected<void, proto::Error> release();

  // The fencing token of what release() would release; 0 when there is none.
  [[nodiscard]] proto::Token token() const;

  // As bytes; Errc::invalid_params when it is too long.
  std::expected<void, proto::Error> set_reason(std::string_view reason);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Lock(Process& process, std::string path);

  Process& process_;
  const std::string path_;  // absolute, bytes
  mutable std::mutex mutex_;
  std::string reason_;  // escaped
};

}  // namespace locket::client
