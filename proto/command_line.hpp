// Mistakes on the command line, reported by both programs in the same way. A library of its own,
// which is not part of liblocket: it needs CLI11.

#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace locket::proto {

// One line: what is wrong, and either the nearest option that exists or where to read more. `app`
// is as its parse() has left it.
std::string complaint(const CLI::App& app, const CLI::ParseError& error);

// As they are typed, with their dashes.
std::vector<std::string> option_names(const CLI::App& app);

}  // namespace locket::proto
