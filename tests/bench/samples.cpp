#include "tests/bench/samples.hpp"

#include <algorithm>
#include <cmath>

namespace locket::bench {

double percentile(Samples samples, double share) {
  if (samples.empty()) return 0;
  const auto place =
      static_cast<std::size_t>(std::floor(share * static_cast<double>(samples.size() - 1) + kHalf));
  std::ranges::nth_element(samples, samples.begin() + static_cast<std::ptrdiff_t>(place));
  return samples[place];
}

Samples Figures::all() const {
  Samples all;
  for (const Samples& round : rounds) all.insert(all.end(), round.begin(), round.end());
  return all;
}

Samples ratios(const Figures& ours, const Figures& theirs) {
  Samples result;
  for (std::size_t i = 0; i < std::min(ours.rounds.size(), theirs.rounds.size()); ++i) {
    result.push_back(median(ours.rounds[i]) / median(theirs.rounds[i]));
  }
  return result;
}

}  // namespace locket::bench
