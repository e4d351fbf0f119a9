// The configuration file: where it is, and what its lines say. What the names and values mean is
// settings.cpp's.
//
// Its format is CLI11's, as far as there is use for it: a `name = value` a line, the value in
// quotes or bare, comments from `#` on, or from `;` where a line begins with it. CLI11's own reader
// is not used, since it tells no line numbers and drops in silence what it does not understand.

#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace locketd {

struct ConfigFile {
  struct Entry {
    std::string name;
    std::string value;
    std::size_t line;
  };
  struct Mistake {
    std::size_t line;
    std::string text;
  };
  std::vector<Entry> entries;  // in the order of the file; no name twice
  std::vector<Mistake> mistakes;
};

ConfigFile parse_config(std::string_view text);

// The text of the file. None where it is not there; an error where it cannot be read.
std::expected<std::optional<std::string>, std::string> read_config(const std::string& path);

// A user's daemon, which is one with $XDG_RUNTIME_DIR as for the socket, has
// $XDG_CONFIG_HOME/locket/locketd.conf (~/.config where that is not set), the machine's
// /etc/locket/locketd.conf. None for a user without a home.
std::optional<std::string> default_config_path();

}  // namespace locketd
