// Randomness from a seed: the same seed throws the same dice on every machine (splitmix64).
//
// Owned by the code that throws them. A plain value, not thread-safe.

#pragma once

#include <cstdint>

namespace locket::chaos {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
  }

  // From `least` to `most`, inclusive.
  std::int64_t between(std::int64_t least, std::int64_t most) {
    const auto span = static_cast<std::uint64_t>(most - least) + 1;
    return least + static_cast<std::int64_t>(next() % span);
  }

  // True on average once in so many throws.
  bool one_in(std::int64_t throws) { return between(1, throws) == 1; }
  bool percent(std::int64_t chance) { return between(1, 100) <= chance; }

 private:
  std::uint64_t state_;
};

}  // namespace locket::chaos
