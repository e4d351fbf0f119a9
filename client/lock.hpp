// A handle on the lock of one file: what locket.h shows as locket_lock.
//
// Owned by the program. Thread-safe except for its destruction. All handles on the same file are
// the same lock (C5), since holds are recorded in the process's Custody and not in the handle.

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
  // `path` is bytes; made absolute here, relative to the current working directory.
  static std::expected<std::unique_ptr<Lock>, proto::Error> make(
      const std::string& path, Process& process = client::process());

  // Releases what was acquired through this handle and is still held.
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // Blocks until the lock is acquired or the timeout (none: forever; checked by check_timeout) is
  // over.
  std::expected<proto::Token, proto::Failure> acquire(proto::Mode mode,
                                                      std::optional<proto::Seconds> timeout);

  // The same in steps, for a caller that wants to do something while waiting: wait on the
  // Acquisition, which must end before this handle does.
  std::expected<Acquisition, proto::Failure> begin(proto::Mode mode,
                                                   std::optional<proto::Seconds> timeout);

  // Errc::not_held if there is nothing to release; Errc::lost, once, if the hold has been lost.
  // Never blocks on the daemon.
  std::expected<void, proto::Error> release();

  // The fencing token of what release() would release; 0 if there is nothing. Never blocks on the
  // daemon.
  [[nodiscard]] proto::Token token() const;

  // Makes what release() would release outlive an exec in this process: the daemon keeps it until
  // the process ends, and the descriptor is inherited. From then on others are shown `command`
  // (bytes, may be empty). Blocks for kPatience at most.
  struct Kept {
    proto::Token token = 0;
    int descriptor = -1;  // still owned by this process's custody
  };
  std::expected<Kept, proto::Error> keep_across_exec(std::string_view command);

  // The callback runs when a lock that was acquired through this handle is lost: see Herald.
  void on_lost(Herald::Callback callback);

  // As bytes; Errc::invalid_params if it is too long.
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
