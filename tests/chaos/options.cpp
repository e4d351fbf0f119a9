#include "tests/chaos/options.hpp"

#include <fmt/core.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <random>

#include "proto/command_line.hpp"

namespace locket::chaos {

std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status) {
  Options options;
  options.seed = std::random_device()();
  options.daemon = LOCKETD;
  options.locketctl = LOCKETCTL;
  bool no_daemon_kills = false;
  bool break_exclusion = false;
  bool break_order = false;

  CLI::App app{"Kills, stops and restarts locketd and its clients, and sees that nothing is lost.",
               "locket_chaos"};
  app.name("locket_chaos");
  app.footer(
      "The same seed brings the same faults, though not at the same moments.\n"
      "Exit status: 0 when nothing was found, 1 when something was, 64 and up for other errors.");
  app.add_option("--seconds", options.seconds, "How long")->capture_default_str();
  app.add_option("--seed", options.seed, "Of all that is left to chance");
  app.add_option("--workers", options.workers, "Processes that use liblocket")
      ->check(CLI::Range(1, 48))
      ->capture_default_str();
  app.add_option("--commands", options.commands, "Processes by locketctl run, as many by flock(1)")
      ->check(CLI::Range(0, 8))
      ->capture_default_str();
  app.add_option("--files", options.files, "Lock files; the last is a quiet one")
      ->check(CLI::Range(1, static_cast<int>(kMaxFiles)))
      ->capture_default_str();
  app.add_option("--daemon-kills", options.daemon_kills, "Go on until so many SIGKILLs");
  app.add_option("--client-kills", options.client_kills, "Go on until so many SIGKILLs");
  app.add_flag("--no-daemon-kills", no_daemon_kills, "Leave the daemon alone");
  app.add_flag("--break-exclusion", break_exclusion, "Now and then go in without the lock");
  app.add_flag("--break-order", break_order, "Now and then let a waiter be overtaken")
      ->excludes("--break-exclusion");
  app.add_option("--daemon", options.daemon, "The locketd to torment")->check(CLI::ExistingFile);
  app.add_option("--locketctl", options.locketctl, "The locketctl to use")
      ->check(CLI::ExistingFile);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_status = error.get_exit_code() == 0 ? app.exit(error) : EX_USAGE;
    if (exit_status != 0) fmt::print(stderr, "locket_chaos: {}\n", proto::complaint(app, error));
    return std::nullopt;
  }
  options.daemon_faults = !no_daemon_kills;
  if (break_exclusion) options.sabotage = Sabotage::exclusion;
  if (break_order) options.sabotage = Sabotage::order;
  return options;
}

}  // namespace locket::chaos
