// What a run is told on its command line.

#pragma once

#include <optional>
#include <string>
#include <vector>

namespace locket::bench {

struct Options {
  bool quick = false;
  unsigned rounds = 7;
  std::vector<std::string> only;  // cases; all where it is empty
  std::string json;               // none where it is empty
  std::string plot;
};

// None: the program ends with `exit_status`.
std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status);

}  // namespace locket::bench
