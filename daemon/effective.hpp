// The options in effect, each with its origin, and the mistakes in what was given.
//
// Pure, except that it reads the environment and the file.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/options.hpp"

namespace locketd {

// What the command line gives: --config, and the flag's value for each of settings().
struct Said {
  std::optional<std::string> config;
  std::vector<std::optional<std::string>> flags;
};

struct Effective {
  Options options;
  std::vector<std::string> origins;       // for each of settings(): "default", "LOCKET_SOCKET", …
  std::optional<std::string> looked_for;  // the file that would be read
  std::optional<std::string> config;      // the same, if it existed and was read
  std::vector<std::string> mistakes;      // one line each
  bool command_line_is_wrong = false;
};

// Reads the file, then the environment, then the command line: the later one counts. Values that
// are overridden must be valid as well.
Effective effective(const Said& said);

// For --check-config: as an equivalent configuration file, or as JSON.
std::string as_config(const Effective& found);
std::string as_json(const Effective& found);

}  // namespace locketd
