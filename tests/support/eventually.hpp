// Waiting for events elsewhere: checks again and again, up to a deadline.

#pragma once

#include <chrono>
#include <thread>

namespace locket::test {

using Clock = std::chrono::steady_clock;

// Only what never happens takes this long, even under a sanitizer on a busy machine.
inline constexpr std::chrono::seconds kPatience{30};

template <typename Condition>
[[nodiscard]] bool eventually(const Condition& condition, Clock::duration within = kPatience) {
  constexpr std::chrono::milliseconds kBetween{1};
  for (const auto deadline = Clock::now() + within; !condition();) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kBetween);
  }
  return true;
}

// For tests in which the passing of time is itself the event.
inline void let_pass(Clock::duration time) {
  std::this_thread::sleep_for(time);
}

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace locket::test
