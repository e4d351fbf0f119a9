#include "proto/command_line.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "proto/option_text.hpp"
#include "proto/text.hpp"

namespace locket::proto {
namespace {

bool is(const CLI::ParseError& error, CLI::ExitCodes kind) {
  return error.get_exit_code() == static_cast<int>(kind);
}

// What CLI11 did not understand; options before words, since the words may be their values.
std::string unknown_word(const CLI::App& app) {
  const std::vector<std::string> words = app.remaining(true);
  const auto option =
      std::ranges::find_if(words, [](const auto& word) { return word.starts_with('-'); });
  if (option != words.end()) return *option;
  return words.empty() ? "" : words.front();
}

// CLI11's text begins with the option's name; the rest of it is hard to read.
std::string mismatch(const CLI::App& app, const CLI::ParseError& error) {
  const std::string text = error.what();
  const CLI::Option* option = app.get_option_no_throw(text.substr(0, text.find(':')));
  if (option == nullptr) return printable(text);
  return fmt::format("{} takes one {}", option->get_name(), option->get_type_name());
}

}  // namespace

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  const auto commands = app.get_subcommands();
  const CLI::App& chosen = commands.empty() ? app : *commands.front();
  const std::string help =
      fmt::format(" (try: {}{}{} --help)", app.get_name(), commands.empty() ? "" : " ",
                  commands.empty() ? "" : chosen.get_name());
  const std::string word = unknown_word(app);
  if (word.starts_with('-')) {
    const std::string name = word.substr(0, word.find('='));
    const auto known = option_names(chosen);
    if (std::ranges::find(known, name) != known.end()) {
      return fmt::format("{} goes after the command: {} {} {}", name, app.get_name(),
                         chosen.get_name(), name);
    }
    return fmt::format("there is no option {}{}", shorten(escape(name), 64),
                       did_you_mean(name, known, help));
  }
  if (!word.empty()) return fmt::format("{} is one word too many{}", in_quotes(word), help);
  if (is(error, CLI::ExitCodes::RequiredError)) return "the command is missing" + help;
  if (is(error, CLI::ExitCodes::ArgumentMismatch)) return mismatch(chosen, error) + help;
  return printable(error.what()) + help;
}

}  // namespace locket::proto
