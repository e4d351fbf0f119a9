#include <fmt/format.h>

#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/contest.hpp"

namespace locket::bench {
namespace {

constexpr unsigned kPairs = 2000;
constexpr unsigned kPairsOfEtcd = 20;  // it writes each to disk

Result pair_against(const Contestant& ours, const Contestant& theirs, std::string name, Goal goal,
                    double bound) {
  Result result = compared(std::move(name), goal, bound, ours.figures(), theirs.figures());
  result.note += fmt::format("; {}; theirs {}", described_usage(ours.figures()),
                             described_usage(theirs.figures()));
  return result;
}

Result cost_of(const char* name, const Figures& figures, double total) {
  return {name,
          {total / static_cast<double>(figures.operations)},
          Goal::none,
          0,
          described_usage(figures)};
}

// On one processor, where no side spins for messages that have not arrived.
void add_calls(Run& run, Contestant& ours, const char* name, Calls::To what) {
  const auto calls = ours.count_calls(what, run.some(kPairs));
  if (!calls) return;
  const std::string note =
      fmt::format("client {:.1f} + daemon {:.1f}", calls->client, calls->server);
  run.add({fmt::format("pair_client_{}", name), {calls->client}, Goal::none, 0, note});
  run.add({fmt::format("pair_daemon_{}", name), {calls->server}, Goal::none, 0, note});
}

using Contestants = std::vector<Contestant*>;

void compete(Run& run, const Contestants& contestants) {
  for (unsigned round = 0; round < run.rounds(); ++round) {
    for (Contestant* each : contestants) each->take_turn(run.some(kPairs));
  }
}

void add_ratios(Run& run, const char* where, const Contestant& ours, const Contestant& redis,
                const Contestant& postgres, const Contestant& floor) {
  const auto name = [&](const char* what) { return fmt::format("pair_vs_{}{}", what, where); };
  run.add(pair_against(ours, redis, name("redis"), Goal::at_most, 0.35));
  run.add(pair_against(ours, postgres, name("postgres"), Goal::at_most, 0.30));
  run.add(pair_against(ours, floor, name("floor"), Goal::at_most, 1.30));
}

}  // namespace

void measure_pairs(Run& run) {
  Contestant ours(run, "locket", "locketd");
  Contestant floor(run, "floor", "bare calls");
  Contestant flock(run, "flock", "flock(2) alone");
  Contestant redis(run, "redis", "Redis");
  Contestant postgres(run, "postgres", "PostgreSQL");
  Contestant etcd(run, "etcd", "etcd");
  const Contestants with_servers{&ours, &redis, &floor, &postgres};

  compete(run, {&ours, &redis, &floor, &postgres, &flock});
  for (unsigned round = 0; round < run.rounds(); ++round) etcd.take_turn(run.some(kPairsOfEtcd));
  add_ratios(run, "", ours, redis, postgres, floor);
  run.add(pair_against(ours, flock, "pair_vs_flock", Goal::none, 0));
  run.add(pair_against(ours, etcd, "pair_vs_etcd", Goal::none, 0));
  const Figures& all = ours.figures();
  run.add(cost_of("pair_daemon_cpu_us", all, all.server.cpu_us));
  run.add(cost_of("pair_daemon_switches", all, all.server.switches));
  run.add({"Acquire and release, nobody else there",
           {flock.figures(), floor.figures(), all, redis.figures(), postgres.figures(),
            etcd.figures()}});

  for (const auto& [where, servers_processor] : {std::pair("_near", 0U), std::pair("_apart", 1U)}) {
    if (servers_processor >= std::thread::hardware_concurrency()) continue;
    for (Contestant* each : with_servers) {
      each->begin_again();
      each->keep_on(0, servers_processor);
    }
    compete(run, with_servers);
    add_ratios(run, where, ours, redis, postgres, floor);
    if (servers_processor == 0) {
      add_calls(run, ours, "system_calls", Calls::To::kernel);
      add_calls(run, ours, "allocations", Calls::To::malloc);
    }
    for (Contestant* each : with_servers) each->let_loose();
  }
}

}  // namespace locket::bench
