// All settings of locketd, one row each: the row holds for the flag, the variable and the
// configuration file alike.

#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/options.hpp"

namespace locketd {

struct Setting {
  std::string_view name;      // "log-level" in the file, --log-level as a flag
  std::string_view variable;  // in the environment
  std::string_view type;      // "LEVEL"
  std::string_view group;     // in --help
  std::string_view what;

  // The error continues after the name: " takes LEVEL, not "loud"".
  std::expected<void, std::string> (*read)(Options& options, const std::string& text);
  // In the form that `read` accepts.
  std::string (*shown)(const Options& options);
};

std::span<const Setting> settings();

// For suggestions.
std::vector<std::string> names_of_settings();
std::vector<std::string> variables_of_settings();

}  // namespace locketd
