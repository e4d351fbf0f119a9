#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/bench/contest.hpp"
#include "tests/bench/crowd.hpp"
#include "tests/support/child.hpp"
#include "tests/support/eventually.hpp"

namespace locket::bench {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kSessions = 10'000;
constexpr unsigned kDescriptorsEach = 3;  // a socket, a pidfd and the file
constexpr unsigned kMilliseconds = 2000;
constexpr double kMillisecondsInSecond = 1000;
constexpr double kNanosecondsInMillisecond = 1e6;

bool is_free(const std::string& path) {
  const proto::Descriptor file = test::open_file(path);
  return ::flock(file.get(), LOCK_EX | LOCK_NB) == 0;
}

struct Storm {
  double free_ms = 0;
  double delay_ms = 0;
};

double worst_delay(Worker& bystander) {
  return static_cast<double>(bystander.answer()) / kNanosecondsInMillisecond;
}

Storm raise(Run& run, const Service& daemon, Worker& bystander, unsigned sessions) {
  const std::string files = run.folder() / "storm";
  std::filesystem::create_directory(files);
  test::Child holders(
      {{"/proc/self/exe", "hold", daemon.server(), files, fmt::to_string(sessions)}});
  if (holders.line() != "ready") throw std::runtime_error("no storm: " + holders.errors());
  bystander.ask(fmt::format("worst {}", kMilliseconds));
  std::this_thread::sleep_for(milliseconds(kMilliseconds / 4));
  Storm storm;
  const auto begin = test::Clock::now();
  holders.signal(SIGKILL);
  for (unsigned i = 0; i < sessions; ++i) {
    const std::string path = fmt::format("{}/{}", files, i);
    while (!is_free(path)) std::this_thread::sleep_for(milliseconds(1));
  }
  storm.free_ms = test::seconds_since(begin) * kMillisecondsInSecond;
  storm.delay_ms = worst_delay(bystander);
  return storm;
}

}  // namespace

void measure_storm(Run& run) {
  constexpr unsigned kStorms = 5;
  const unsigned sessions = run.as_many_as(kSessions, kDescriptorsEach);
  const auto daemon = start_locketd(run.folder(), "storm-daemon");
  Worker bystander("locket", daemon->server(), fresh_name(run));
  Samples times;
  Samples delays;
  Samples calm;
  for (unsigned i = 0; i < std::min(run.rounds(), kStorms); ++i) {
    bystander.ask(fmt::format("worst {}", kMilliseconds));
    calm.push_back(worst_delay(bystander));
    const Storm storm = raise(run, *daemon, bystander, sessions);
    times.push_back(storm.free_ms);
    delays.push_back(storm.delay_ms);
  }
  run.add({"storm_free_ms", times, Goal::at_most, 500, fmt::format("{} sessions", sessions)});
  run.add({"storm_delay_ms", delays, Goal::at_most, 50,
           fmt::format("a bystander's worst pair; without a storm {:.1f} ms", median(calm))});
}

}  // namespace locket::bench
