// When to retry: at once, then after pauses that double.
//
// A plain value; not thread-safe.

#pragma once

#include <algorithm>
#include <chrono>

#include "client/deadline.hpp"

namespace locket::client {

class Backoff {
 public:
  static constexpr std::chrono::milliseconds kShortest{1};
  static constexpr std::chrono::milliseconds kLongest{100};

  [[nodiscard]] bool is_due() const { return Clock::now() >= due_; }
  [[nodiscard]] TimePoint due() const { return due_; }

  // Call this when making an attempt: the next one is due after the pause.
  void attempt() {
    due_ = Clock::now() + pause_;
    pause_ = std::min(2 * pause_, kLongest);
  }

  void succeeded() { *this = Backoff(); }

 private:
  TimePoint due_{};
  std::chrono::milliseconds pause_ = kShortest;
};

}  // namespace locket::client
