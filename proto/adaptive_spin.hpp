// Spin, then sleep: a thread that expects an answer soon looks for it a moment longer, if that has
// paid off recently.
//
// Falling asleep and being woken by another processor takes longer than most answers do. A pair of
// acquire and release takes 23 µs with this and 73-96 µs without, and less of the processors' time
// (2 virtual CPUs, Linux 6.18); with both sides on one processor it makes no difference. Spinning
// for a lock that is held does not pay off, and soon stops.
//
// Between two looks it gives way, since the thread that is to answer may be waiting for this very
// processor. If another program computes there, giving way costs a whole time slice of some
// milliseconds, which being woken would not. So spinning is not tried again for a hundred times as
// long, and twice that the next time: for a program that takes a lock every 3 ms, beside four that
// compute on 2 processors, a pair takes 160 µs on average, and 300 µs without that rule.
//
// A plain value of the thread that spins.

#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <thread>

namespace locket::proto {

// Tests replace the clock and the way to give way.
template <typename Clock, void (*GiveWay)()>
class BasicAdaptiveSpin {
 public:
  // Looks until there is something (true), or until it is time to sleep (false): after kLongest,
  // when another thread wants the processor, or at once if spinning was in vain the last times.
  template <std::predicate Look>
  bool operator()(Look look) {
    if (to_skip_ > 0) {
      --to_skip_;
      return false;
    }
    const auto begin = Clock::now();
    if (begin < not_before_) return false;
    for (auto before = begin;;) {
      if (look()) {
        skipped_ = 0;
        pause_ = {};
        return true;
      }
      GiveWay();
      const auto now = Clock::now();
      const auto away = now - before;
      if (away > kOthersCompute) {
        const auto cost = std::min(away, kLongestSlice);
        pause_ = std::min(std::max(2 * pause_, kTimesAsLong * cost), kLongestPause);
        not_before_ = now + pause_;
      }
      if (away > kOthersRan || now - begin > kLongest) break;
      before = now;
    }
    to_skip_ = skipped_ = std::min(2 * skipped_ + 1, kMostSkipped);
    return false;
  }

 private:
  using Duration = Clock::duration;

  static constexpr Duration kLongest = std::chrono::microseconds(50);
  // Giving way takes less if no other thread wants the processor.
  static constexpr Duration kOthersRan = std::chrono::microseconds(10);
  static constexpr int kMostSkipped = 63;

  // Programs that only ask and answer take less, even many of them one after the other.
  static constexpr Duration kOthersCompute = std::chrono::microseconds(2500);
  static constexpr Duration kLongestSlice = std::chrono::milliseconds(10);  // longer: stopped
  static constexpr int kTimesAsLong = 100;
  static constexpr Duration kLongestPause = std::chrono::seconds(10);

  int skipped_ = 0;  // after the last spin, if that was in vain
  int to_skip_ = 0;
  Duration pause_{};  // after the last spin, if others computed
  Clock::time_point not_before_{};
};

using AdaptiveSpin = BasicAdaptiveSpin<std::chrono::steady_clock, std::this_thread::yield>;

}  // namespace locket::proto
