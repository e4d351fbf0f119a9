// Sides that take turns: A B A B, so that what slows the machine down for a while slows all of
// them.

#pragma once

#include <string>
#include <vector>

#include "tests/bench/run.hpp"
#include "tests/bench/samples.hpp"
#include "tests/bench/worker.hpp"

namespace locket::bench {

// One worker and its service, and what pairs they have done.
class Contestant {
 public:
  // `who` it is in tables. Its service is one of the run's; "flock" has none.
  Contestant(Run& run, const std::string& kind, std::string who);

  void take_turn(unsigned pairs);

  // Client and server each on a processor of its own, where there are two: so a message always
  // wakes another one. Else the kernel may put both on the same, and does as long as only one of
  // them has work.
  void keep_apart();
  void let_loose();

  void rename(std::string who) { figures_ = {.who = std::move(who)}; }
  [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
  Figures figures_;
  Worker worker_;
  std::vector<pid_t> servers_;
};

void keep_on(const std::vector<pid_t>& processes, unsigned processor);
void let_loose(const std::vector<pid_t>& processes);

// The server that a kind of locker wants, and a name for its lock that is not taken yet.
std::string server_of(Run& run, const std::string& kind);
std::string fresh_name(Run& run);

// "CPU 11.2 + 9.8 µs, switches 1.0 + 1.0": an operation's, client's and server's.
std::string described_usage(const Figures& figures);

}  // namespace locket::bench
