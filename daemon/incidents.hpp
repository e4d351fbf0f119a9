// Logs what happened to clients against their will: one line for each refused client, and for each
// action forced on one.
//
// Role: Dispatch and Server report incidents, and this class writes them. Owned by Dispatch. One
// thread only.
//
// Invariants:
//  1. A line begins with what happened, then the pid, the user's number and the path ("-" if there
//     is none), then why: `lock lost: pid 4242, user 1000, path /srv/db.lock: WHY`. Only the daemon
//     chooses what stands before the path. Under systemd the same facts are in fields:
//     LOCKET_EVENT, LOCKET_PID, LOCKET_UID, LOCKET_PATH.
//  2. No user's clients cause more lines than LineBudget allows; one line gives the number of those
//     left out, at the end of the window or of the daemon. (At debug level nothing is left out.)
//  3. A lock is reported lost only after its holder has had time to say that it released the lock
//     itself: its `release` may be on its way behind a reclaim. A daemon that ends before then logs
//     nothing; the holder has been told in any case. Only a few hundred locks at a time are waited
//     for; others are reported at once.

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
    lock_taken_away,       // from a session that ended while holding it
    lock_lost,             // at its reclaim the kernel had no such lock
    kept_session_dropped,  // kept by an earlier daemon or for the next one, but cannot or need not
                           // be kept
  };

  Kind kind = Kind::request_refused;
  std::int64_t pid = 0;
  UserId user = 0;
  std::string_view path = {};  // escaped; empty: concerns no path
  std::string_view why = {};   // escaped
};

class Incidents {
 public:
  Incidents() = default;
  ~Incidents();
  Incidents(const Incidents&) = delete;
  Incidents& operator=(const Incidents&) = delete;

  void tell(Monotonic now, log::Level level, const Incident& incident);

  // Logs a lock_lost later; never, if it is released() first.
  void tell_later(Monotonic now, SessionId session, Token token, const Incident& lost);
  void released(SessionId session, Token token);

  // When a line, or a count of lines left out, is due; none if there is nothing to log.
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
