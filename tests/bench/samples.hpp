// One side's figures in a comparison, and their statistics.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tests/bench/usage.hpp"

namespace locket::bench {

using Samples = std::vector<double>;

inline constexpr double kHalf = 0.5;
inline constexpr double kNearlyAll = 0.99;

// The value below which that share of the samples lies; 0 if there are none.
double percentile(Samples samples, double share);
inline double median(Samples samples) {
  return percentile(std::move(samples), kHalf);
}

// What one side did in all rounds. A round of latencies counts by its median; a round of a rate has
// a single sample.
struct Figures {
  std::string who;
  std::vector<Samples> rounds = {};
  Usage server = {};
  Usage client = {};
  std::size_t operations = 0;

  [[nodiscard]] Samples all() const;
};

// The ratio of the two sides in each round, so that whatever slows both for a while cancels out.
Samples ratios(const Figures& ours, const Figures& theirs);

}  // namespace locket::bench
