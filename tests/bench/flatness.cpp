#include <fmt/format.h>

#include <filesystem>

#include "tests/bench/contest.hpp"
#include "tests/bench/crowd.hpp"

namespace locket::bench {
namespace {

constexpr double kFlat = 1.15;
constexpr unsigned kTurns = 1000;
constexpr unsigned kWaiters = 10'000;
constexpr unsigned kFewWaiters = 10;
constexpr unsigned kOthers = 100'000;

void measure_waiters(Run& run) {
  const unsigned many = run.as_many_as(kWaiters, 1);
  const auto full = start_locketd(run.folder(), "many-waiters");
  const auto empty = start_locketd(run.folder(), "few-waiters");
  Carousel with(full->server(), fresh_name(run), many);
  Carousel without(empty->server(), fresh_name(run), kFewWaiters);
  Figures ours{.who = fmt::format("{} waiters", many)};
  Figures theirs{.who = fmt::format("{} waiters", kFewWaiters)};
  for (unsigned round = 0; round < run.rounds(); ++round) {
    for (auto [carousel, figures] : {std::pair(&with, &ours), std::pair(&without, &theirs)}) {
      Samples& samples = figures->rounds.emplace_back();
      for (unsigned i = 0; i < run.some(kTurns); ++i) samples.push_back(carousel->turn());
    }
  }
  run.add(compared("waiters_flat", Goal::at_most, kFlat, ours, theirs));
}

// Pairs at a daemon with much other state, beside one with none.
void compare_pairs(Run& run, const char* name, const std::string& what, const Service& full,
                   const Service& empty) {
  Worker with("locket", full.server(), fresh_name(run));
  Worker without("locket", empty.server(), fresh_name(run));
  Figures ours{.who = "with " + what};
  Figures theirs{.who = "without"};
  for (unsigned round = 0; round < run.rounds(); ++round) {
    ours.rounds.push_back(with.pairs(run.some(kTurns)));
    theirs.rounds.push_back(without.pairs(run.some(kTurns)));
  }
  run.add(compared(name, Goal::at_most, kFlat, ours, theirs));
}

void measure_locks(Run& run) {
  const unsigned many = run.as_many_as(kOthers, 1);
  const auto full = start_locketd(run.folder(), "many-locks");
  const auto empty = start_locketd(run.folder(), "no-locks");
  const std::string files = run.folder() / "held";
  std::filesystem::create_directory(files);
  Crowd crowd(full->server());
  crowd.hold(files, many);
  compare_pairs(run, "locks_flat", fmt::format("{} locks held", many), *full, *empty);
}

void measure_timers(Run& run) {
  constexpr unsigned kHour = 3600;
  const unsigned many = run.as_many_as(kOthers, 1);
  const auto full = start_locketd(run.folder(), "many-timers");
  const auto empty = start_locketd(run.folder(), "no-timers");
  Crowd crowd(full->server());
  crowd.wait(fresh_name(run), many, {{"timeout", kHour}});
  compare_pairs(run, "timers_flat", fmt::format("{} timed waits", many), *full, *empty);
}

}  // namespace

// What would grow is the daemon's work; the cost of waking a sleeping processor would hide it.
void measure_flatness(Run& run) {
  const OnOneProcessor here;
  measure_waiters(run);
  measure_locks(run);
  measure_timers(run);
}

}  // namespace locket::bench
