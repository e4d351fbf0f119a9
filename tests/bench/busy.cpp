#include <chrono>
#include <numeric>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/contest.hpp"

namespace locket::bench {
namespace {

constexpr unsigned kPairs = 300;
constexpr std::chrono::milliseconds kBetween{1};

// Threads that compute, two per processor, so that a woken thread must wait for a processor.
class Others {
 public:
  Others() {
    for (unsigned left = 2 * std::thread::hardware_concurrency(); left > 0; --left) {
      threads_.emplace_back([](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
        }
      });
    }
  }

 private:
  std::vector<std::jthread> threads_;
};

// A process that takes a lock now and then.
class Visitor {
 public:
  Visitor(Run& run, const std::string& kind, std::string who)
      : worker_(kind, server_of(run, kind), fresh_name(run)) {
    figures_.who = std::move(who);
  }

  // Each turn counts by its mean: what is seldom late is late by much.
  void take_turn(unsigned pairs) {
    Samples samples;
    for (unsigned left = pairs; left > 0; --left) {
      std::this_thread::sleep_for(kBetween);
      samples.push_back(worker_.pairs(1).front());
    }
    figures_.rounds.push_back({std::accumulate(samples.begin(), samples.end(), 0.0) / pairs});
  }
  [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
  Figures figures_;
  Worker worker_;
};

}  // namespace

void measure_busy(Run& run) {
  Visitor ours(run, "locket", "locketd");
  Visitor redis(run, "redis", "Redis");
  Visitor postgres(run, "postgres", "PostgreSQL");
  const Others others;
  for (unsigned round = 0; round < run.rounds(); ++round) {
    for (Visitor* each : {&ours, &redis, &postgres}) each->take_turn(run.some(kPairs));
  }
  const auto add = [&](const char* name, const Visitor& theirs) {
    run.add(compared(name, Goal::none, 0, ours.figures(), theirs.figures()));
  };
  add("pair_busy_vs_redis", redis);
  add("pair_busy_vs_postgres", postgres);
}

}  // namespace locket::bench
