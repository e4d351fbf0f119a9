// The report of a run, for people.

#pragma once

#include <cstdint>

#include "tests/chaos/arena.hpp"
#include "tests/chaos/crew.hpp"
#include "tests/chaos/daemon.hpp"
#include "tests/chaos/observer.hpp"

namespace locket::chaos {

struct Report {
  const World& world;
  const DaemonCounts& daemon;
  const CrewCounts& crew;
  const Observer& observer;
  double seconds;
  std::uint64_t seed;
};

void print_report(const Report& report);

void print_progress(const World& world, const DaemonCounts& daemon, const CrewCounts& crew,
                    double seconds);

}  // namespace locket::chaos
