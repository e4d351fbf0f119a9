// All that can happen to the arbiter in a small world, up to a fixed number of steps: each state is
// examined once, breadth first, and arbiter_explored.hpp says what must hold in it.
// LOCKET_EXPLORE_DEPTH changes the depth: it counts the steps with two locks.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tests/unit/arbiter_explored.hpp"

namespace locketd::test {
namespace {

using Step = ExploredArbiter::Step;
using Path = std::vector<Step>;

std::string describe(const Path& path) {
  static constexpr std::string_view kNames[] = {"acquire",
                                                "come back holding",
                                                "come back waiting",
                                                "let go",
                                                "release",
                                                "cancel",
                                                "disconnect",
                                                "stop waiting",
                                                "answer",
                                                "external",
                                                "tick",
                                                "expire",
                                                "end recovery"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Step::Kind::end_recovery) + 1);
  std::string text;
  for (const Step& step : path) {
    text += fmt::format("\n  {} session {} file {} detail {}",
                        kNames[static_cast<std::size_t>(step.kind)], step.session, step.file,
                        step.detail);
  }
  return text;
}

class Exploration {
 public:
  explicit Exploration(ExploredArbiter::Scene scene) : scene_(scene) {}

  void run(std::size_t depth) {
    std::vector<Path> border{{}};
    seen_.insert(ExploredArbiter(scene_).state());
    for (std::size_t step = 0; step < depth && problem_.empty(); ++step) {
      std::vector<Path> next;
      for (const Path& path : border) {
        explore_from(path, next);
        if (!problem_.empty()) return;
      }
      border = std::move(next);
    }
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::size_t states() const { return seen_.size(); }
  [[nodiscard]] std::size_t transitions() const { return transitions_; }

 private:
  // The arbiter cannot be copied, so each path is replayed from the start.
  void explore_from(Path path, std::vector<Path>& next) {
    ExploredArbiter start(scene_);
    for (const Step& step : path) start.take(step);
    for (const Step& step : start.options()) {
      path.push_back(step);
      explore(path, next);
      path.pop_back();
      if (!problem_.empty()) return;
    }
  }

  void explore(const Path& path, std::vector<Path>& next) {
    ++transitions_;
    ExploredArbiter arbiter(scene_);
    for (const Step& step : path) arbiter.take(step);
    if (arbiter.problem().empty()) {
      if (!seen_.insert(arbiter.state()).second) return;
      next.push_back(path);
      arbiter.finish();
    }
    if (!arbiter.problem().empty()) problem_ = arbiter.problem() + ", after" + describe(path);
  }

  ExploredArbiter::Scene scene_;
  std::unordered_set<std::string> seen_;
  std::size_t transitions_ = 0;
  std::string problem_;
};

// With one lock, fewer things can happen at each step, so it goes deeper.
std::size_t depth(std::uint8_t files) {
  const char* text = std::getenv("LOCKET_EXPLORE_DEPTH");
  const std::size_t depth = text != nullptr ? std::stoul(text) : 4;
  return files == 1 ? depth + 2 : depth;
}

void explore(ExploredArbiter::Scene scene) {
  Exploration exploration(scene);
  exploration.run(depth(scene.files));
  std::cout << fmt::format("{} states, {} transitions, {} steps deep\n", exploration.states(),
                           exploration.transitions(), depth(scene.files));
  EXPECT_TRUE(exploration.problem().empty()) << exploration.problem();
}

TEST(ArbiterExploration, Whatever_happens_to_two_locks_the_rules_hold_C4) {
  explore({.files = 2, .recovering = false});
}

TEST(ArbiterExploration, Whatever_happens_to_two_locks_after_a_daemon_died_the_rules_hold_C9) {
  explore({.files = 2, .recovering = true});
}

TEST(ArbiterExploration, Whatever_happens_to_one_lock_the_rules_hold_C4) {
  explore({.files = 1, .recovering = false});
}

TEST(ArbiterExploration, Whatever_happens_to_one_lock_after_a_daemon_died_the_rules_hold_C9) {
  explore({.files = 1, .recovering = true});
}

}  // namespace
}  // namespace locketd::test
