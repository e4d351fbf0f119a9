#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <thread>

#include "tests/bench/contest.hpp"
#include "tests/bench/locker.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"

namespace locket::bench {
namespace {

using Words = std::vector<std::string>;

constexpr unsigned kPrograms = 100;
constexpr unsigned kStarts = 10;
constexpr double kMicrosecondsInSecond = 1e6;

pid_t spawn(const Words& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int error =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + words.front());
  return child;
}

void wait_for(pid_t child, const Words& words) {
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) throw std::runtime_error(words.front() + " failed");
}

double run_program(const Words& words) {
  const auto begin = test::Clock::now();
  wait_for(spawn(words), words);
  return test::seconds_since(begin) * kMicrosecondsInSecond;
}

// From its start until it answers a request.
double start_program(const Words& words, const std::function<bool()>& ready) {
  constexpr std::chrono::microseconds kBetween{100};
  const auto begin = test::Clock::now();
  const pid_t child = spawn(words);
  while (!ready()) {
    if (test::seconds_since(begin) > 10) throw std::runtime_error(words.front() + " is not ready");
    std::this_thread::sleep_for(kBetween);
  }
  const double time = test::seconds_since(begin) * kMicrosecondsInSecond;
  ::kill(child, SIGTERM);
  wait_for(child, words);
  return time;
}

bool answers_locket(const std::string& socket) {
  if (!test::answers(socket)) return false;
  test::RawClient(socket).call("status");
  return true;
}

bool answers_redis(const std::string& socket) {
  if (!test::answers(socket)) return false;
  try {
    make_redis(socket, "try")->release();
    return true;
  } catch (const std::exception&) {
    return false;  // it listens before it answers
  }
}

void measure_runs(Run& run) {
  const std::string lock = fresh_name(run);
  ::setenv("LOCKET_SOCKET", run.service("locket").server().c_str(), 1);
  const Words ours_words{LOCKETCTL, "run", lock, "true"};
  const Words theirs_words{"flock", lock, "true"};
  Figures ours{.who = "locketctl run"};
  Figures theirs{.who = "flock(1)"};
  for (unsigned round = 0; round < run.rounds(); ++round) {
    for (auto [words, figures] :
         {std::pair(&ours_words, &ours), std::pair(&theirs_words, &theirs)}) {
      Samples& samples = figures->rounds.emplace_back();
      for (unsigned i = 0; i < run.some(kPrograms); ++i) samples.push_back(run_program(*words));
    }
  }
  run.add(compared("run_vs_flock", Goal::at_most, 1.5, ours, theirs));
}

void measure_starts(Run& run) {
  const std::string folder = run.folder() / "starts";
  std::filesystem::create_directory(folder);
  const std::string ours_socket = folder + "/locketd";
  const std::string theirs_socket = folder + "/redis";
  const Words ours_words = test::Daemon::command(ours_socket, {"--log-level", "error"}).words;
  Words theirs_words = redis_command(folder, theirs_socket).words;
  Figures ours{.who = "locketd"};
  Figures theirs{.who = "redis-server"};
  for (unsigned round = 0; round < run.rounds(); ++round) {
    Samples& our_samples = ours.rounds.emplace_back();
    Samples& their_samples = theirs.rounds.emplace_back();
    for (unsigned i = 0; i < run.some(kStarts); ++i) {
      our_samples.push_back(start_program(ours_words, [&] { return answers_locket(ours_socket); }));
      their_samples.push_back(
          start_program(theirs_words, [&] { return answers_redis(theirs_socket); }));
    }
  }
  run.add(compared("start", Goal::at_most, 0.3, ours, theirs));
}

}  // namespace

void measure_programs(Run& run) {
  measure_runs(run);
  measure_starts(run);
}

}  // namespace locket::bench
