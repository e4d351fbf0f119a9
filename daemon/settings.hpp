// Everything that locketd can be told, a row each: whatever the row says holds for the flag, the
// variable and the configuration file alike.

#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/options.hpp"

namespace locketd {

struct Setting {
  std::string_view name;      // "log-level": of the file's; --log-level is the flag
  std::string_view variable;  // of the environment
  std::string_view type;      // "LEVEL"
  std::string_view group;     // of --help
  std::string_view what;

  // The error goes on from the name: " takes LEVEL, not "loud"".
  std::expected<void, std::string> (*read)(Options& options, const std::string& text);
  // In such a form that it can be read.
  std::string (*shown)(const Options& options);
};

std::span<const Setting> settings();

// For suggestions.
std::vector<std::string> names_of_settings();
std::vector<std::string> variables_of_settings();

}  // namespace locketd
