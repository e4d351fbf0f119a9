// One attempt to acquire one lock: open the file, ask, wait, and check that the path still names
// that file (C3, C11, C13).
//
//     begin ──▶ asked ──▶ granted, path still names the file ──▶ a Hold in Custody
//                 ▲            │
//                 └────────────┴── unlinked or replaced: let go, open again, ask with the time left
//
// Owned by the waiting thread for as long as it waits; not thread-safe. Destroying it gives the
// attempt up: nothing stays locked and the daemon is told.
//
// Invariants:
//  1. However the attempt ends, it leaves nothing locked unless it ends in a Hold: see Pending.
//  2. A timeout is never reported early, and late by at most kReplyGrace if the daemon is silent or
//     gone.

#pragma once

#include <expected>
#include <optional>
#include <string>

#include "client/custody.hpp"
#include "client/deadline.hpp"
#include "client/process.hpp"
#include "proto/messages.hpp"

namespace locket::client {

// What to lock and how; `path` is absolute, as bytes, and `reason` is escaped text.
struct Wish {
  const std::string& path;  // must outlive the attempt
  proto::Mode mode = proto::Mode::exclusive;
  std::optional<proto::Seconds> timeout;  // none: forever; checked by check_timeout()
  std::string reason;
};

class Acquisition {
 public:
  // Opens the file and sends the request; blocks as long as the file system does. The resulting
  // hold will belong to `owner`.
  static std::expected<Acquisition, proto::Failure> begin(Process& process, Custody::Handle* owner,
                                                          Wish wish);

  Acquisition(Acquisition&&) noexcept = default;
  Acquisition& operator=(Acquisition&&) = delete;
  Acquisition(const Acquisition&) = delete;
  Acquisition& operator=(const Acquisition&) = delete;
  ~Acquisition() = default;

  using Outcome = std::expected<proto::Token, proto::Failure>;

  // Waits until the attempt has ended, but not past `until`. Returns none if it still waits in the
  // queue; then wait() may be called again. Must not be called again after an outcome.
  std::optional<Outcome> wait(TimePoint until = kNever);

  [[nodiscard]] proto::FileId file() const { return file_; }

 private:
  Acquisition(Process& process, Custody::Handle* owner, Wish wish);

  std::expected<void, proto::Failure> ask();
  std::expected<void, proto::Error> find_file(Claim& claim, std::optional<ParkedFile> parked);
  void do_not_park(Claim& claim);
  std::expected<void, proto::Failure> send(ClaimPtr claim);
  std::optional<Outcome> check_grant(proto::Token token);
  [[nodiscard]] proto::Failure silence() const;
  [[nodiscard]] proto::Errc code_of_silence() const;

  Process* process_;
  Custody::Handle* owner_;
  Wish wish_;
  TimePoint deadline_;  // the caller's
  TimePoint backstop_;  // when to give up on the daemon's answer
  proto::FileId file_;
  Pending pending_;
};

}  // namespace locket::client
