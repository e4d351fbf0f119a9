#include <fmt/format.h>

#include <thread>
#include <vector>

#include "tests/bench/contest.hpp"

namespace locket::bench {
namespace {

constexpr unsigned kPairs = 2000;
constexpr unsigned kPairsOfEtcd = 20;  // it writes each to the disk

Result pair_against(const Contestant& ours, const Contestant& theirs, std::string name, Goal goal,
                    double bound) {
  Result result = compared(std::move(name), goal, bound, ours.figures(), theirs.figures());
  result.note += "; " + described_usage(theirs.figures());
  return result;
}

Result cost_of(const char* name, const Figures& figures, double total) {
  return {name,
          {total / static_cast<double>(figures.operations)},
          Goal::none,
          0,
          described_usage(figures)};
}

using Contestants = std::vector<Contestant*>;

void compete(Run& run, const Contestants& contestants) {
  for (unsigned round = 0; round < run.rounds(); ++round) {
    for (Contestant* each : contestants) each->take_turn(run.some(kPairs));
  }
}

// The same with client and server on two processors. First of all ours.
void measure_apart(Run& run, const Contestants& contestants) {
  for (Contestant* each : contestants) {
    each->rename(each->figures().who + " apart");
    each->keep_apart();
  }
  compete(run, contestants);
  for (Contestant* each : contestants) each->let_loose();
}

}  // namespace

void measure_pairs(Run& run) {
  Contestant ours(run, "locket", "locketd");
  Contestant floor(run, "floor", "bare calls");
  Contestant flock(run, "flock", "flock(2) alone");
  Contestant redis(run, "redis", "Redis");
  Contestant postgres(run, "postgres", "PostgreSQL");
  Contestant etcd(run, "etcd", "etcd");
  compete(run, {&ours, &redis, &floor, &postgres, &flock});
  for (unsigned round = 0; round < run.rounds(); ++round) etcd.take_turn(run.some(kPairsOfEtcd));

  run.add(pair_against(ours, redis, "pair_vs_redis", Goal::at_most, 0.35));
  run.add(pair_against(ours, postgres, "pair_vs_postgres", Goal::at_most, 0.30));
  run.add(pair_against(ours, floor, "pair_vs_floor", Goal::at_most, 1.30));
  run.add(pair_against(ours, flock, "pair_vs_flock", Goal::none, 0));
  run.add(pair_against(ours, etcd, "pair_vs_etcd", Goal::none, 0));
  const Figures all = ours.figures();
  run.add(cost_of("pair_daemon_cpu_us", all, all.server.cpu_us));
  run.add(cost_of("pair_daemon_switches", all, all.server.switches));
  run.add({"Acquire and release, nobody else there",
           {flock.figures(), floor.figures(), all, redis.figures(), postgres.figures(),
            etcd.figures()}});

  if (std::thread::hardware_concurrency() < 2) return;
  measure_apart(run, {&ours, &redis, &floor, &postgres});
  run.add(pair_against(ours, redis, "pair_vs_redis_apart", Goal::at_most, 0.35));
  run.add(pair_against(ours, postgres, "pair_vs_postgres_apart", Goal::at_most, 0.30));
  run.add(pair_against(ours, floor, "pair_vs_floor_apart", Goal::at_most, 1.30));
}

}  // namespace locket::bench
