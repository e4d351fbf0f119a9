// What a run's command line says.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/chaos/arena.hpp"

namespace locket::chaos {

struct Options {
  unsigned seconds = 60;
  std::uint64_t seed = 0;  // given, or random
  unsigned workers = 12;
  unsigned commands = 3;
  unsigned files = 4;
  std::uint64_t daemon_kills = 0;  // at least
  std::uint64_t client_kills = 0;  // at least
  bool daemon_faults = true;
  Sabotage sabotage = Sabotage::none;
  std::string daemon;
  std::string locketctl;
};

// None: the program exits with `exit_status`.
std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status);

}  // namespace locket::chaos
