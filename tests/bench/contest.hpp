// Sides that take turns, A B A B, so that whatever slows the machine for a while slows all of them.

#pragma once

#include <sched.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/bench/calls.hpp"
#include "tests/bench/run.hpp"
#include "tests/bench/samples.hpp"
#include "tests/bench/worker.hpp"

namespace locket::bench {

// One worker and its service, and the pairs they have done.
class Contestant {
 public:
  // `who` is its name in tables. Its service is one of the run's; "flock" has none.
  Contestant(Run& run, const std::string& kind, std::string who);

  void take_turn(unsigned pairs);

  // How many such calls a pair takes, on either side. None if they cannot be counted.
  struct CallsOfPair {
    double client = 0;
    double server = 0;
  };
  std::optional<CallsOfPair> count_calls(Calls::To what, unsigned pairs);

  // Where client and server run. Left alone, the kernel puts them on one processor or two,
  // depending on the machine's state; on two, each message has to wake another processor.
  void keep_on(unsigned clients_processor, unsigned servers_processor);
  void let_loose();

  // Forgets all rounds.
  void begin_again() { figures_ = {.who = figures_.who}; }
  [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
  Figures figures_;
  Worker worker_;
  std::vector<pid_t> servers_;
};

// On destruction, this process, and those it starts from then on, may use all processors again.
class OnOneProcessor {
 public:
  OnOneProcessor();
  ~OnOneProcessor();
  OnOneProcessor(const OnOneProcessor&) = delete;
  OnOneProcessor& operator=(const OnOneProcessor&) = delete;

 private:
  cpu_set_t before_{};
};

void keep_on(const std::vector<pid_t>& processes, unsigned processor);
void let_loose(const std::vector<pid_t>& processes);

// The server that a kind of locker needs, and an unused name for its lock.
std::string server_of(Run& run, const std::string& kind);
std::string fresh_name(Run& run);

// "CPU 11.2 + 9.8 µs, switches 1.0 + 1.0": an operation's cost, client + server.
std::string described_usage(const Figures& figures);

}  // namespace locket::bench
