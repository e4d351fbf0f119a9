#include <fmt/format.h>

#include <list>

#include "tests/bench/contest.hpp"

namespace locket::bench {
namespace {

constexpr unsigned kFew = 16;
constexpr unsigned kMany = 64;
constexpr unsigned kMilliseconds = 1000;

// Processes that each do pairs on locks of their own, all at once.
class Crew {
 public:
  Crew(Run& run, const std::string& kind, unsigned processes, unsigned threads = 1)
      : Crew(run, kind, server_of(run, kind), processes, threads) {}
  Crew(Run& run, const std::string& kind, const std::string& server, unsigned processes,
       unsigned threads = 1) {
    figures_.who = kind;
    for (; processes > 0; --processes) {
      workers_.emplace_back(kind, server, fresh_name(run), threads);
    }
    count(1);
  }

  void take_turn(unsigned milliseconds) {
    figures_.rounds.push_back({count(milliseconds) * 1000 / milliseconds});
  }
  [[nodiscard]] const Figures& figures() const { return figures_; }
  [[nodiscard]] double rate() const { return median(figures_.all()); }

 private:
  double count(unsigned milliseconds) {
    double sum = 0;
    for (Worker& worker : workers_) worker.ask(fmt::format("count {}", milliseconds));
    for (Worker& worker : workers_) sum += static_cast<double>(worker.answer());
    return sum;
  }

  Figures figures_;
  std::list<Worker> workers_;
};

Result rated(std::string name, Goal goal, double bound, const Crew& ours, const Crew& theirs,
             const char* whose) {
  return {std::move(name), ratios(ours.figures(), theirs.figures()), goal, bound,
          fmt::format("{:.0f} pairs a second, {} {:.0f}", ours.rate(), whose, theirs.rate())};
}

void measure_against_redis(Run& run, unsigned clients, double bound) {
  Crew ours(run, "locket", clients);
  Crew redis(run, "redis", clients);
  for (unsigned round = 0; round < run.rounds(); ++round) {
    ours.take_turn(run.some(kMilliseconds));
    redis.take_turn(run.some(kMilliseconds));
  }
  run.add(
      rated(fmt::format("throughput_{}", clients), Goal::at_least, bound, ours, redis, "Redis"));
}

void measure_against_floor(Run& run) {
  const auto service = start_floor_for_many(run.folder());
  Crew ours(run, "locket", kFew);
  Crew floor(run, "floor", service->server(), kFew);
  for (unsigned round = 0; round < run.rounds(); ++round) {
    ours.take_turn(run.some(kMilliseconds));
    floor.take_turn(run.some(kMilliseconds));
  }
  run.add(rated("throughput_vs_floor", Goal::none, 0, ours, floor, "bare calls"));
}

void measure_threads(Run& run) {
  Crew threads(run, "locket", 1, kFew);
  Crew processes(run, "locket", kFew);
  for (unsigned round = 0; round < run.rounds(); ++round) {
    threads.take_turn(run.some(kMilliseconds));
    processes.take_turn(run.some(kMilliseconds));
  }
  run.add(rated("threads_16", Goal::at_least, 0.8, threads, processes, "as many processes"));
}

}  // namespace

void measure_throughput(Run& run) {
  measure_against_redis(run, kFew, 1.5);
  measure_against_redis(run, kMany, 1.5);
  measure_against_floor(run);
  measure_threads(run);
}

}  // namespace locket::bench
