#include <fmt/format.h>

#include <filesystem>
#include <thread>

#include "tests/bench/contest.hpp"
#include "tests/bench/crowd.hpp"

namespace locket::bench {

void measure_idleness(Run& run) {
  constexpr unsigned kLocks = 1000;
  constexpr unsigned kMilliseconds = 10'000;
  const std::string files = run.folder() / "idle";
  std::filesystem::create_directory(files);
  const auto daemon = start_locketd(run.folder(), "idle-daemon");
  Crowd crowd(daemon->server());
  crowd.hold(files, run.some(kLocks));
  crowd.settle();
  // For work left after the last answer, such as its recovery period.
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const Usage before = usage_of({daemon->pid()});
  std::this_thread::sleep_for(std::chrono::milliseconds(run.some(kMilliseconds)));
  Usage used = usage_of({daemon->pid()});
  used -= before;
  const std::string note =
      fmt::format("in {} ms with {} locks held", run.some(kMilliseconds), run.some(kLocks));
  run.add({"idle_wakeups", {used.switches}, Goal::at_most, 0, note});
  run.add({"idle_cpu_us", {used.cpu_us}, Goal::at_most, 0, note});
}

}  // namespace locket::bench
