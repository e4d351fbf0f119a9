#include "tests/chaos/report.hpp"

#include <fmt/core.h>

#include <cstdio>

namespace locket::chaos {
namespace {

std::uint64_t grants_of(const World& world) {
  std::uint64_t sum = 0;
  for (const auto& kind : world.counters.grants) sum += kind[0] + kind[1];
  return sum;
}

template <typename Value>
void row(const char* what, const Value& value) {
  fmt::print("  {:<46}{:>12}\n", what, value);
}

void print_grants(const Counters& counters) {
  fmt::print("grants                                             exclusive      shared\n");
  for (std::size_t kind = 0; kind < kKindNames.size(); ++kind) {
    const auto& [exclusive, shared] = counters.grants.at(kind);
    fmt::print("  {:<46}{:>12}{:>12}\n", kKindNames.at(kind), exclusive.load(), shared.load());
  }
}

void print_daemon(const DaemonCounts& counts) {
  fmt::print("the daemon\n");
  row("started", counts.started);
  row("killed (SIGKILL)", counts.killed);
  row("  of these, while it was stopped", counts.killed_stopped);
  row("  of these, before it answered", counts.killed_starting);
  row("ended (SIGTERM)", counts.terminated);
  row("stopped for a while (SIGSTOP, SIGCONT)", counts.stopped);
}

void print_clients(const CrewCounts& counts, const Counters& counters) {
  fmt::print("the clients\n");
  row("started", counts.started);
  row("killed (SIGKILL)", counts.kills());
  for (std::size_t doing = 0; doing < kDoingNames.size(); ++doing) {
    row(fmt::format("  of these, {}", kDoingNames.at(doing)).c_str(), counts.killed.at(doing));
  }
  row("connections that ended within a message", counters.torn.load());
  row("ended without a release", counts.vanished);
  row("stopped for a while (SIGSTOP)", counts.stopped);
  row("children forked with all descriptors", counters.forks.load());
}

void print_waits(const Counters& counters, const Observer& observer) {
  fmt::print("waits\n");
  for (std::size_t why = 0; why < kRefusalNames.size(); ++why) {
    row(fmt::format("refused: {}", kRefusalNames.at(why)).c_str(),
        counters.refusals.at(why).load());
  }
  constexpr double kMilliseconds = 1e6;
  row("worst lateness of a timeout, ms",
      fmt::format("{:.1f}", static_cast<double>(counters.worst_lateness) / kMilliseconds));
  row("longest wait for a grant, ms",
      fmt::format("{:.1f}", static_cast<double>(counters.longest_wait) / kMilliseconds));
  row("granted after the daemon that was asked had ended", counters.survived.load());
  row("released while no daemon answered", counters.released_alone.load());
  row("in the same place in a new daemon's list", observer.waits_known_again());
  row("held by the same token in a new daemon's list", observer.holds_known_again());
  row("granted while surely nobody else was there", counters.free_checks.load());
  row("order: checked against one who waited before", counters.order_checks.load());
  for (std::size_t why = 0; why < kExcuseNames.size(); ++why) {
    row(fmt::format("  overtaken: {}", kExcuseNames.at(why)).c_str(),
        counters.overtaken.at(why).load());
  }
}

void print_breaches(const BreachLog& breaches) {
  fmt::print("violations\n");
  for (std::size_t breach = 0; breach < kBreaches; ++breach) {
    row(kBreachNames.at(breach), breaches.count(static_cast<Breach>(breach)));
  }
}

}  // namespace

void print_report(const Report& report) {
  fmt::print("\nseed {}, {:.1f} s\n", report.seed, report.seconds);
  print_grants(report.world.counters);
  print_daemon(report.daemon);
  print_clients(report.crew, report.world.counters);
  print_waits(report.world.counters, report.observer);
  print_breaches(report.world.breaches);
  const std::uint64_t breaches = report.world.breaches.count();
  fmt::print("{}\n", breaches == 0 ? "no violation" : fmt::format("{} violations", breaches));
}

void print_progress(const World& world, const DaemonCounts& daemon, const CrewCounts& crew,
                    double seconds) {
  fmt::print("{:6.0f} s  {} grants, {} daemon kills, {} client kills, {} violations\n", seconds,
             grants_of(world), daemon.killed, crew.kills(), world.breaches.count());
  std::fflush(stdout);
}

}  // namespace locket::chaos
