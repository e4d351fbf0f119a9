// The options that hold, each with where it comes from; and what is wrong with what was said.
//
// Pure but for reading the environment and the file.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/options.hpp"

namespace locketd {

// What the command line says: --config, and for each of settings() its flag's value.
struct Said {
  std::optional<std::string> config;
  std::vector<std::optional<std::string>> flags;
};

struct Effective {
  Options options;
  std::vector<std::string> origins;       // of each of settings(): "default", "LOCKET_SOCKET", …
  std::optional<std::string> looked_for;  // the file that would be read
  std::optional<std::string> config;      // the same where it was there, and was read
  std::vector<std::string> mistakes;      // each a line
  bool command_line_is_wrong = false;
};

// The file first, then the environment, then the command line: the later one counts. What is
// overridden must be right as well.
Effective effective(const Said& said);

// For --check-config: as a configuration file that says the same, or as JSON.
std::string as_config(const Effective& found);
std::string as_json(const Effective& found);

}  // namespace locketd
