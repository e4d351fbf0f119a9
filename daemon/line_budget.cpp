#include "daemon/line_budget.hpp"

namespace locketd {

bool LineBudget::spend(Monotonic now, UserId user) {
  close_windows(now);
  const std::size_t wanted = ++wanted_[user];
  if (wanted == 1) ends_.emplace_back(now + kWindow, user);
  if (wanted == kLines + 1) ++overdrawn_;
  return wanted <= kLines;
}

// When the first window ends, even if no lines are left out in it: at most one early wake-up for
// each.
std::optional<Monotonic> LineBudget::next_deadline() const {
  if (!untold_.empty()) return Monotonic::min();
  if (overdrawn_ == 0) return std::nullopt;
  return ends_.front().first;
}

std::vector<LineBudget::LeftOut> LineBudget::left_out(Monotonic now) {
  close_windows(now);
  return std::exchange(untold_, {});
}

void LineBudget::close_windows(Monotonic now) {
  for (; !ends_.empty() && ends_.front().first <= now; ends_.pop_front()) {
    const auto window = wanted_.find(ends_.front().second);
    if (window->second > kLines) {
      untold_.push_back({window->first, window->second - kLines});
      --overdrawn_;
    }
    wanted_.erase(window);
  }
}

}  // namespace locketd
