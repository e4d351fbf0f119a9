#include "tests/bench/worker.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/bench/locker.hpp"

namespace locket::bench {
namespace {

constexpr double kNanosecondsInMicrosecond = 1000;
constexpr Nanoseconds kNanosecondsInMillisecond = 1'000'000;

Nanoseconds now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

Nanoseconds pair(Locker& locker) {
  const Nanoseconds begin = now();
  locker.acquire();
  locker.release();
  return now() - begin;
}

void tell(const std::string& text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

using Lockers = std::vector<std::unique_ptr<Locker>>;

std::uint64_t count_pairs(const Lockers& lockers, Nanoseconds time) {
  std::atomic<std::uint64_t> count = 0;
  const Nanoseconds end = now() + time;
  std::vector<std::thread> threads;
  for (const auto& locker : lockers) {
    threads.emplace_back([&] {
      std::uint64_t own = 0;
      for (; now() < end; ++own) pair(*locker);
      count += own;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return count;
}

Nanoseconds worst_pair(Locker& locker, Nanoseconds time) {
  Nanoseconds worst = 0;
  for (const Nanoseconds end = now() + time; now() < end;) worst = std::max(worst, pair(locker));
  return worst;
}

std::string obey(const std::string& verb, Nanoseconds number, const Lockers& lockers) {
  Locker& first = *lockers.front();
  if (verb == "acquire") {
    first.acquire();
    return fmt::to_string(now());
  }
  if (verb == "release") {
    const Nanoseconds began = now();
    first.release();
    return fmt::to_string(began);
  }
  if (verb == "count") {
    return fmt::to_string(count_pairs(lockers, number * kNanosecondsInMillisecond));
  }
  if (verb == "worst") {
    return fmt::to_string(worst_pair(first, number * kNanosecondsInMillisecond));
  }
  if (verb != "pairs") throw std::invalid_argument("no such verb: " + verb);
  std::string times;
  for (; number > 0; --number) times += fmt::format("{} ", pair(first));
  return times;
}

std::vector<std::string> words_of_worker(const std::string& kind, const std::string& server,
                                         const std::string& name, unsigned threads) {
  return {"/proc/self/exe", "worker", kind, server, name, fmt::to_string(threads)};
}

}  // namespace

Worker::Worker(const std::string& kind, const std::string& server, const std::string& name,
               unsigned threads)
    : Worker(words_of_worker(kind, server, name, threads)) {}

Worker::Worker(const std::vector<std::string>& words) : child_(test::Command{words}) {}

std::string Worker::line() {
  std::string line = child_.line();
  if (line.empty()) throw std::runtime_error("a worker ended: " + child_.errors());
  return line;
}

Nanoseconds Worker::answer() {
  return std::stoll(line());
}

Samples Worker::pairs(unsigned count) {
  ask(fmt::format("pairs {}", count));
  Samples samples;
  std::istringstream times(line());
  for (double time = 0; times >> time;) samples.push_back(time / kNanosecondsInMicrosecond);
  return samples;
}

int work(const std::vector<std::string>& words) {
  constexpr std::size_t kWords = 5;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const MakeLocker make = words.size() == kWords ? find_locker(words[1]) : nullptr;
  if (make == nullptr) throw std::invalid_argument("worker KIND SERVER NAME THREADS");
  Lockers lockers;
  lockers.push_back(make(words[2], words[3]));
  for (unsigned i = 1; i < std::stoul(words[4]); ++i) {
    lockers.push_back(make(words[2], fmt::format("{}.{}", words[3], i)));
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream parts(line);
    std::string verb;
    Nanoseconds number = 0;
    parts >> verb >> number;
    tell(obey(verb, number, lockers));
  }
  return EXIT_SUCCESS;
}

}  // namespace locket::bench
