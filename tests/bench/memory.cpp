#include <fmt/format.h>

#include <filesystem>
#include <functional>

#include "tests/bench/contest.hpp"
#include "tests/bench/crowd.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::bench {
namespace {

constexpr unsigned kMany = 100'000;
constexpr unsigned kSessions = 10'000;
constexpr unsigned kToWarmUp = 50;

// The resident growth of a separate daemon while the crowd comes in.
void measure_growth(Run& run, const char* what, double bound, unsigned count,
                    const std::function<void(Crowd&, unsigned)>& come) {
  const auto daemon = start_locketd(run.folder(), fmt::format("bytes-{}", what));
  {
    Crowd first(daemon->server());
    come(first, kToWarmUp);
    first.settle();
  }
  const auto before = test::resident_bytes(daemon->pid());
  Crowd crowd(daemon->server());
  come(crowd, count);
  crowd.settle();
  const auto after = test::resident_bytes(daemon->pid());
  run.add({fmt::format("bytes_per_{}", what),
           {static_cast<double>(after - before) / count},
           Goal::at_most,
           bound,
           fmt::format("{} of them: {} to {} KiB", count, before / 1024, after / 1024)});
}

}  // namespace

void measure_memory(Run& run) {
  const std::string files = run.folder() / "remembered";
  std::filesystem::create_directory(files);
  const std::string file = fresh_name(run);
  measure_growth(run, "lock", 768, run.as_many_as(kMany, 1),
                 [&](Crowd& crowd, unsigned count) { crowd.hold(files, count); });
  // Each takes a socket and a pidfd.
  measure_growth(run, "session", 4096, run.as_many_as(kSessions, 2),
                 [](Crowd& crowd, unsigned count) { crowd.connect(count); });
  measure_growth(run, "waiter", 768, run.as_many_as(kMany, 1),
                 [&](Crowd& crowd, unsigned count) { crowd.wait(file, count, {}); });
}

}  // namespace locket::bench
