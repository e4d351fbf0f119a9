#include "daemon/options.hpp"

#include <fmt/core.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "proto/socket_path.hpp"
#include "proto/text.hpp"
#include "proto/version.hpp"

namespace locketd {
namespace {

// For CLI11: what is wrong with it, else "".
std::string is_socket_path(const std::string& path) {
  const auto checked = locket::proto::check_socket_path(path);
  return checked ? "" : checked.error().message;
}

void add_limits(CLI::App& app, UserLimits& limits) {
  const auto add = [&app](const char* name, std::size_t& limit, const char* what) {
    auto* option = app.add_option(name, limit, what)->type_name("N")->group("Limits for each user");
    option->check(CLI::Range(1, 10'000'000));
    return option;
  };
  add("--max-sessions-per-user", limits.sessions, "Connections")->capture_default_str();
  add("--max-held-per-user", limits.held, "Locks held")->capture_default_str();
  add("--max-waiting-per-user", limits.waiting, "Requests that wait")->capture_default_str();
  add("--max-descriptors-per-user", limits.descriptors,
      "Descriptors kept for all of these (default: 7/8 of the daemon's own limit)");
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_status) {
  CLI::App app{
      "Owns the file locks of this machine and hands them over, first come, first served."};
  app.name("locketd");
  app.set_version_flag("--version", fmt::format("locketd {}", locket::proto::kVersion));
  app.footer(
      "Runs in the foreground until SIGTERM or SIGINT; whoever holds a lock then goes on holding\n"
      "it. A socket handed over by systemd takes the place of --socket.\n"
      "See who holds what with: locketctl list");

  std::string socket = locket::proto::socket_candidates().front();
  std::string level = "info";
  app.add_option("--socket", socket,
                 "Where to listen ($LOCKET_SOCKET, else in $XDG_RUNTIME_DIR, else /run)")
      ->type_name("PATH")
      ->check(is_socket_path)
      ->capture_default_str();
  app.add_option("--log-level", level, "What to log: error, warning, info or debug")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}))
      ->capture_default_str();
  UserLimits limits;
  add_limits(app, limits);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      exit_status = app.exit(error);
    } else {
      fmt::print(stderr, "locketd: {} (try: locketd --help)\n",
                 locket::proto::printable(error.what()));
      exit_status = EX_USAGE;
    }
    return std::nullopt;
  }
  return Options{socket, *log::level_from(level), limits};
}

}  // namespace locketd
