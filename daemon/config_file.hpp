// The configuration file: where it is, and what its lines say. settings.cpp knows what the names
// and values mean.
//
// The format is the useful part of CLI11's: one `name = value` per line, the value in quotes or
// bare, comments from `#` on, or from `;` at the beginning of a line. CLI11's own reader is not
// used, since it reports no line numbers and silently drops what it does not understand.

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

// The text of the file. None if it does not exist; an error if it cannot be read.
std::expected<std::optional<std::string>, std::string> read_config(const std::string& path);

// For a user's daemon (one with $XDG_RUNTIME_DIR, as for the socket):
// $XDG_CONFIG_HOME/locket/locketd.conf, in ~/.config if that variable is not set. For the machine's
// daemon: /etc/locket/locketd.conf. None for a user without a home.
std::optional<std::string> default_config_path();

}  // namespace locketd
