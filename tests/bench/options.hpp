// What a run's command line says.

#pragma once

#include <optional>
#include <string>
#include <vector>

namespace locket::bench {

struct Options {
  bool quick = false;
  unsigned rounds = 7;
  std::vector<std::string> only;  // cases; empty: all
  std::string json;               // empty: none
  std::string plot;
};

// None: the program exits with `exit_status`.
std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status);

}  // namespace locket::bench
