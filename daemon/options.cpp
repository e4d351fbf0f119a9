#include "daemon/options.hpp"

#include <fmt/core.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <span>
#include <string_view>

#include "daemon/config_file.hpp"
#include "daemon/effective.hpp"
#include "daemon/settings.hpp"
#include "proto/command_line.hpp"
#include "proto/text.hpp"
#include "proto/version.hpp"

namespace locketd {
namespace {

struct Check {
  bool wanted = false;
  bool json = false;
};

// Through the log if it goes to the journal, which would not know otherwise that this is an error;
// without the log's time of day for people at a terminal.
void complain(std::string_view text) {
  if (log::under_journal()) return log::error("{}", text);
  const std::string line = fmt::format("locketd: {}\n", text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void add_settings(CLI::App& app, Said& said) {
  const Options defaults;
  said.flags.resize(settings().size());
  for (std::size_t row = 0; row < settings().size(); ++row) {
    const Setting& setting = settings()[row];
    app.add_option(fmt::format("--{}", setting.name), said.flags[row], std::string(setting.what))
        ->type_name(std::string(setting.type))
        ->group(std::string(setting.group))
        ->default_str(setting.shown(defaults));
  }
}

void add_the_rest(CLI::App& app, Said& said, Check& check) {
  app.set_version_flag("--version", fmt::format("locketd {}", locket::proto::kVersion));
  app.add_option("--config", said.config,
                 "Read this configuration file ($LOCKETD_CONFIG); the default may be missing")
      ->type_name("FILE")
      ->default_str(default_config_path().value_or(""));
  auto* check_config = app.add_flag("--check-config", check.wanted,
                                    "Print all settings and where each comes from, and end");
  app.add_flag("--json", check.json, "With --check-config: print one JSON object")
      ->needs(check_config);
  app.footer(
      "Each setting comes from its option, else from the environment (LOCKET_SOCKET for --socket,\n"
      "LOCKETD_LOG_LEVEL for --log-level, and so on), else from a line of the configuration file:\n"
      "log-level = info\n"
      "Runs in the foreground until SIGTERM or SIGINT; holders then go on holding their locks. A\n"
      "socket from systemd takes the place of --socket.\n"
      "Exit status: 0; 64 for a mistake on the command line, 78 for one in the environment or the\n"
      "configuration file; 69 if it cannot listen, 70 for an internal error, 74 if it cannot "
      "write\n"
      "to standard output.\n"
      "See who holds what with: locketctl list");
}

// With "--socket=", CLI11 would take the next word for the value.
std::optional<std::string> option_without_value(int argc, const char* const* argv) {
  for (const std::string_view word : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    if (word.starts_with("--") && word.ends_with('=')) {
      return fmt::format("{} has no value (try: locketd --help)",
                         locket::proto::shorten(locket::proto::escape(word), 64));
    }
  }
  return std::nullopt;
}

int report(const Effective& found, const Check& check) {
  const std::string text = check.json ? as_json(found) : as_config(found);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) == 0) return EX_OK;
  complain("cannot write to standard output");
  return EX_IOERR;
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status) {
  if (const auto mistake = option_without_value(argc, argv)) {
    complain(*mistake);
    exit_status = EX_USAGE;
    return std::nullopt;
  }
  CLI::App app{
      "Arbitrates file locks between the processes of this machine: first come, first served."};
  app.name("locketd");
  Said said;
  Check check;
  add_settings(app, said);
  add_the_rest(app, said, check);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      exit_status = app.exit(error);
    } else {
      complain(locket::proto::complaint(app, error));
      exit_status = EX_USAGE;
    }
    return std::nullopt;
  }
  const Effective found = effective(said);
  if (!found.mistakes.empty()) {
    for (const std::string& mistake : found.mistakes) complain(mistake);
    exit_status = found.command_line_is_wrong ? EX_USAGE : EX_CONFIG;
    return std::nullopt;
  }
  if (check.wanted) {
    exit_status = report(found, check);
    return std::nullopt;
  }
  return found.options;
}

}  // namespace locketd
