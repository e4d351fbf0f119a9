// How many lines of the log one user's clients may cause: a hostile one must neither flood it nor
// have the others' lines dropped by the journal's own limit (journald.conf(5), RateLimitBurst=).
//
// Pure: `now` comes in. Owned by Incidents. A user's window begins with the first line after the
// last window; whatever is beyond kLines is counted, and the count is told when the window ends.

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

  // When left_out() may have something to tell; none while nothing is left out.
  [[nodiscard]] std::optional<Monotonic> next_deadline() const;

  // Of the windows that have ended by then, which are forgotten.
  std::vector<LeftOut> left_out(Monotonic now);

 private:
  void close_windows(Monotonic now);

  boost::unordered_flat_map<UserId, std::size_t> wanted_;  // lines in its window; who has one
  std::deque<std::pair<Monotonic, UserId>> ends_;          // of the windows, in their order
  std::size_t overdrawn_ = 0;                              // windows in which some are left out
  std::vector<LeftOut> untold_;                            // of windows that have ended
};

}  // namespace locketd
