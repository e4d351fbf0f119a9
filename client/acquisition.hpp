// One attempt to get one lock: open the file, ask, wait, and see that the path still means that
// file (C3, C11, C13).
//
//     begin ──▶ asked ──▶ granted, path still names the file ──▶ a Hold in Custody
//                 ▲            │
//                 └────────────┴── unlinked or replaced: let go, open again, ask with the time left
//
// Owned by the thread that waits, for as long as it waits; not thread-safe. Destroying it gives up:
// nothing stays locked and the daemon is told.
//
// Invariants:
//  1. Whatever ends it other than a Hold leaves nothing locked: see Pending.
//  2. A timeout is never reported early; late by kReplyGrace at most where the daemon is silent or
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
  std::optional<proto::Seconds> timeout;  // none: for ever; checked by check_timeout()
  std::string reason;
};

class Acquisition {
 public:
  // Opens the file and sends the request; blocks as long as the file system does. The hold that
  // comes of it will be `owner`'s.
  static std::expected<Acquisition, proto::Failure> begin(Process& process, Custody::Handle* owner,
                                                          Wish wish);

  Acquisition(Acquisition&&) noexcept = default;
  Acquisition& operator=(Acquisition&&) = delete;
  Acquisition(const Acquisition&) = delete;
  Acquisition& operator=(const Acquisition&) = delete;
  ~Acquisition() = default;

  using Outcome = std::expected<proto::Token, proto::Failure>;

  // Waits until the attempt has ended, but not past `until`: none means that it still waits in the
  // queue, and one may call again. Must not be called again after an outcome.
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
  TimePoint backstop_;  // when to stop believing that the daemon answers
  proto::FileId file_;
  Pending pending_;
};

}  // namespace locket::client
