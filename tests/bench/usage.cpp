#include "tests/bench/usage.hpp"

#include <fmt/format.h>

#include <fstream>
#include <string>

#include "tests/support/process_facts.hpp"

namespace locket::bench {
namespace {

constexpr double kNanosecondsInMicrosecond = 1000;

Usage usage_of_thread(const std::string& folder) {
  Usage usage;
  // Exact to the nanosecond, whereas proc_pid_stat(5) counts in ticks.
  std::ifstream(folder + "/schedstat") >> usage.cpu_us;
  usage.cpu_us /= kNanosecondsInMicrosecond;
  std::ifstream status(folder + "/status");
  for (std::string word; status >> word;) {
    double number = 0;
    const bool switches =
        word == "voluntary_ctxt_switches:" || word == "nonvoluntary_ctxt_switches:";
    if (switches && status >> number) usage.switches += number;
  }
  return usage;
}

}  // namespace

Usage& Usage::operator+=(const Usage& other) {
  cpu_us += other.cpu_us;
  switches += other.switches;
  return *this;
}

Usage& Usage::operator-=(const Usage& other) {
  cpu_us -= other.cpu_us;
  switches -= other.switches;
  return *this;
}

Usage usage_of(const std::vector<pid_t>& processes) {
  Usage sum;
  for (const pid_t process : processes) {
    for (const pid_t thread : test::threads_of(process)) {
      sum += usage_of_thread(fmt::format("/proc/{}/task/{}", process, thread));
    }
  }
  return sum;
}

}  // namespace locket::bench
