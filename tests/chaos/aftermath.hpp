// What must be left when all clients are gone: nothing.
//
// Made by the supervisor at the end of a run.

#pragma once

#include <string>

#include "tests/chaos/arena.hpp"
#include "tests/chaos/contender.hpp"
#include "tests/chaos/daemon.hpp"

namespace locket::chaos {

class Aftermath {
 public:
  Aftermath(World& world, Daemon& daemon, LockFiles files);

  // Not true at once: the daemon is still noticing the last ends.
  [[nodiscard]] bool is_clean();

  // Each trace left behind is a breach.
  void judge();

 private:
  struct Trace {
    std::string what;
    std::uint64_t found = 0;
    std::uint64_t expected = 0;
  };
  std::vector<Trace> traces();

  World& world_;
  Daemon& daemon_;
  LockFiles files_;
};

}  // namespace locket::chaos
