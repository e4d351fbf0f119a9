// A process that uses locks on demand. The program starts itself again for it; pollers.py is one
// too, so that Python's libraries are measured the same way.
//
// Owned by a case. It speaks by lines, times in nanoseconds of CLOCK_MONOTONIC, which all processes
// share:
//   acquire      when it had the lock
//   release      when it began to give it back
//   pairs N      how long each of N pairs took
//   count MS     how many pairs its threads did together in that time
//   worst MS     the longest of the pairs in that time

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
  // A locker by its kind, and what its service answers at. Threads beyond the first have locks of
  // their own, by names with their number behind.
  Worker(const std::string& kind, const std::string& server, const std::string& name,
         unsigned threads = 1);

  // Any other program that speaks so.
  explicit Worker(const std::vector<std::string>& words);

  void ask(const std::string& question) { child_.say(question); }
  Nanoseconds answer();

  Samples pairs(unsigned count);  // in microseconds
  [[nodiscard]] pid_t pid() const { return child_.pid(); }

 private:
  std::string line();

  test::Child child_;
};

// What the other side of it does: the main function of the worker. Its exit status.
int work(const std::vector<std::string>& words);

}  // namespace locket::bench
