// Mistakes on the command line, told by both programs in the same way. A library of its own, which
// liblocket does not carry: it knows CLI11.

#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace locket::proto {

// One line: what is wrong, and either the nearest option that there is or where to read more. The
// application is as its parse() has left it.
std::string complaint(const CLI::App& app, const CLI::ParseError& error);

// As they are typed, with their dashes.
std::vector<std::string> option_names(const CLI::App& app);

}  // namespace locket::proto
