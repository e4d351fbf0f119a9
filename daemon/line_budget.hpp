// How many lines of the log one user's clients may cause: a hostile client must neither flood the
// log nor make the journal's own limit drop other users' lines (journald.conf(5), RateLimitBurst=).
//
// Pure: `now` comes in. Owned by Incidents. A user's window begins with the first line after the
// last window; lines beyond kLines are counted, and the count is logged when the window ends.

#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/arbiter.hpp"

namespace locketd {

class LineBudget {
 public:
  static constexpr std::size_t kLines = 20;
  static constexpr std::chrono::seconds kWindow{10};

  struct LeftOut {
    UserId user = 0;
    std::size_t lines = 0;
  };

  // False: this line is left out.
  bool spend(Monotonic now, UserId user);

  // When left_out() may have something to report; none while nothing is left out.
  [[nodiscard]] std::optional<Monotonic> next_deadline() const;

  // The counts of the windows that have ended by then, which are forgotten.
  std::vector<LeftOut> left_out(Monotonic now);

 private:
  void close_windows(Monotonic now);

  boost::unordered_flat_map<UserId, std::size_t> wanted_;  // lines in each user's open window
  std::deque<std::pair<Monotonic, UserId>> ends_;          // ends of the windows, in order
  std::size_t overdrawn_ = 0;                              // windows with lines left out
  std::vector<LeftOut> untold_;                            // of windows that have ended
};

}  // namespace locketd
