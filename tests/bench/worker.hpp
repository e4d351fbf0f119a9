// A process that uses locks on demand. The program starts itself again for this; pollers.py is a
// worker too, so that Python's libraries are measured the same way.
//
// Owned by a case. It answers in lines, with times in nanoseconds of CLOCK_MONOTONIC, which all
// processes share:
//   acquire      when it got the lock
//   release      when it began to release it
//   pairs N      how long each of N pairs took
//   count MS     how many pairs its threads did together in that time
//   worst MS     the longest pair in that time

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/samples.hpp"
#include "tests/support/child.hpp"

namespace locket::bench {

using Nanoseconds = std::int64_t;

class Worker {
 public:
  // A locker by its kind, and where its service answers. Threads beyond the first have their own
  // locks, whose names have the thread's number appended.
  Worker(const std::string& kind, const std::string& server, const std::string& name,
         unsigned threads = 1);

  // Any other program that speaks this protocol.
  explicit Worker(const std::vector<std::string>& words);

  void ask(const std::string& question) { child_.say(question); }
  Nanoseconds answer();

  Samples pairs(unsigned count);  // in microseconds
  [[nodiscard]] pid_t pid() const { return child_.pid(); }

 private:
  std::string line();

  test::Child child_;
};

// The worker's side: its main function. Returns the exit status.
int work(const std::vector<std::string>& words);

}  // namespace locket::bench
