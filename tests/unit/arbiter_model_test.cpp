// Random operations on the arbiter and on a plain model of its rules: the events must be the same,
// in the same order. The operations are the same in every run, so that an old fault does not fail a
// new change; LOCKET_TEST_SEED (a number, or "random") and LOCKET_TEST_OPERATIONS look further.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <string_view>

#include "tests/unit/arbiter_comparison.hpp"

namespace locketd::test {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::stoull(text) : otherwise;
}

std::uint64_t test_seed() {
  const char* text = std::getenv("LOCKET_TEST_SEED");
  if (text != nullptr && std::string_view(text) == "random") return std::random_device()();
  return number_from("LOCKET_TEST_SEED", 1);
}

TEST(ArbiterModel, Random_operations_give_the_events_that_the_rules_demand_C4) {
  const auto seed = test_seed();
  const auto operations = number_from("LOCKET_TEST_OPERATIONS", 200'000);
  std::cout << "LOCKET_TEST_SEED=" << seed << '\n';
  constexpr std::uint64_t kRounds = 20;
  Comparison::Tally tally{};
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    Comparison comparison(seed + round);
    const std::string problem = comparison.play(operations / kRounds);
    ASSERT_TRUE(problem.empty()) << "LOCKET_TEST_SEED=" << seed << ": " << problem;
    std::ranges::transform(tally, comparison.tally(), tally.begin(), std::plus());
  }
  for (std::size_t kind = 0; kind < tally.size(); ++kind) {
    EXPECT_GE(tally[kind], operations / 10'000) << "hardly came up: event " << kind;
  }
}

}  // namespace
}  // namespace locketd::test
