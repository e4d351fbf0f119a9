// What happened to clients against their will, in the log: a line for each that was refused, and
// for each action that was forced on one.
//
// Role: Dispatch and Server tell it; it writes. Owned by Dispatch. One thread only.
//
// Invariants:
//  1. A line begins with what happened, then the pid, the user's number and the path ("-" where
//     there is none), then why: `lock lost: pid 4242, user 1000, path /srv/db.lock: WHY`. What
//     stands before the path nobody but the daemon chooses. Under systemd the same is in fields:
//     LOCKET_EVENT, LOCKET_PID, LOCKET_UID, LOCKET_PATH.
//  2. No user's clients cause more lines than LineBudget allows; of those left out, one line says
//     how many, at the end of the window or of the daemon. (At debug level nothing is left out.)
//  3. A lock is told to be lost only when its holder has had time to say that he let go of it
//     himself: his `release` may be on its way behind a reclaim. A daemon that ends before that
//     tells nothing of it; the holder has been told in any case.

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/arbiter.hpp"
#include "daemon/line_budget.hpp"
#include "daemon/log.hpp"

namespace locketd {

struct Incident {
  enum class Kind : std::uint8_t {
    connection_refused,
    request_refused,
    session_ended,         // by the daemon
    lock_taken_away,       // from a session that ended with it
    lock_lost,             // at its reclaim, the kernel knew nothing of it
    kept_session_dropped,  // an earlier daemon's, or for the next one, which cannot or need not be
                           // kept
  };

  Kind kind = Kind::request_refused;
  std::int64_t pid = 0;
  UserId user = 0;
  std::string_view path = {};  // escaped; empty: about none
  std::string_view why = {};   // escaped
};

class Incidents {
 public:
  Incidents() = default;
  ~Incidents();
  Incidents(const Incidents&) = delete;
  Incidents& operator=(const Incidents&) = delete;

  void tell(Monotonic now, log::Level level, const Incident& incident);

  // The same of a lock_lost, later; or never, when it is released().
  void tell_later(Monotonic now, SessionId session, Token token, const Incident& lost);
  void released(SessionId session, Token token);

  // When something is due to be told, or lines that were left out to be counted; none while there
  // is nothing.
  [[nodiscard]] std::optional<Monotonic> next_deadline() const;
  void see_to_time(Monotonic now);

 private:
  struct Loss {
    Monotonic due;
    SessionId session = 0;
    Token token = 0;
    std::int64_t pid = 0;
    UserId user = 0;
    std::string path;
    std::string why;
  };

  std::deque<Loss> losses_;  // the first is due first
  LineBudget budget_;
};

}  // namespace locketd
