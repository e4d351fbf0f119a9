#include "tests/bench/options.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "proto/command_line.hpp"
#include "tests/bench/run.hpp"

namespace locket::bench {

std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status) {
  constexpr unsigned kQuickRounds = 2;
  constexpr unsigned kMostRounds = 1000;
  Options options;
  std::vector<std::string> names;
  std::string cases = "Cases:\n";
  for (const Case& one : kCases) {
    names.emplace_back(one.name);
    cases += fmt::format("  {:<12} {}\n", one.name, one.what);
  }

  CLI::App app{"Measures locketd beside others, in turns, and shows ratios.", "locket_bench"};
  app.name("locket_bench");
  app.footer(cases + "A value is the median of all rounds, each of which gives all sides a turn.");
  app.add_flag("--quick", options.quick, "A little of everything, to see that it works");
  const auto* rounds =
      app.add_option("--rounds", options.rounds, "How often each side has its turn")
          ->check(CLI::Range(1U, kMostRounds))
          ->capture_default_str();
  app.add_option("--only", options.only, "Some of the cases")->check(CLI::IsMember(names));
  app.add_option("--json", options.json, "Write the results there");
  app.add_option("--plot", options.plot, "Draw pairs and handoffs there, as SVG");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_status = error.get_exit_code() == 0 ? app.exit(error) : EX_USAGE;
    if (exit_status != 0) fmt::print(stderr, "locket_bench: {}\n", proto::complaint(app, error));
    return std::nullopt;
  }
  if (options.quick && rounds->count() == 0) options.rounds = kQuickRounds;
  return options;
}

}  // namespace locket::bench
