// A handle on the lock of one file: what locket.h shows as locket_lock.
//
// Owned by the program. Thread-safe but for its destruction. Every handle on the same file is the
// same lock (C5), since who holds what is known to the process's Custody and not to the handle.

#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/acquisition.hpp"
#include "client/herald.hpp"
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

  // The same in steps, for who wants to do something while waiting: wait on the Acquisition, which
  // must end before this does.
  std::expected<Acquisition, proto::Failure> begin(proto::Mode mode,
                                                   std::optional<proto::Seconds> timeout);

  // Errc::not_held when there is nothing to release, Errc::lost when what there was is lost: once.
  // Never blocks on the daemon.
  std::expected<void, proto::Error> release();

  // The fencing token of what release() would release; 0 when there is none. Never blocks on the
  // daemon.
  [[nodiscard]] proto::Token token() const;

  // Makes what release() would release outlive an exec in this process: the daemon keeps it until
  // the process ends, and the descriptor is inherited. `command` (bytes, may be empty) is what
  // others are shown from then on. Blocks for kPatience at most.
  struct Kept {
    proto::Token token = 0;
    int descriptor = -1;  // stays this process's custody's
  };
  std::expected<Kept, proto::Error> keep_across_exec(std::string_view command);

  // Called when a lock that was acquired through this handle is lost: see Herald.
  void on_lost(Herald::Callback callback);

  // As bytes; Errc::invalid_params when it is too long.
  std::expected<void, proto::Error> set_reason(std::string_view reason);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Lock(Process& process, std::string path);
  [[nodiscard]] proto::Token known_token() const;
  void look_for_losses() const noexcept;
  void release_and_park(Hold hold, std::uint64_t forks);
  void leave_parking();

  Process& process_;
  Custody::Handle handle_;
  const std::string path_;  // absolute, bytes
  std::string reason_;      // escaped; guarded by Process::handles
};

}  // namespace locket::client
