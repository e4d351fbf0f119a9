#include "client/ctl/command.hpp"

#include <fmt/core.h>
#include <sysexits.h>

#include <cstdio>

#include "proto/option_text.hpp"
#include "proto/text.hpp"

namespace locketctl {

using locket::proto::Errc;
using locket::proto::Error;

std::optional<std::string> unknown_command(const CLI::App& app, const Words& arguments) {
  if (arguments.empty() || arguments.front().starts_with('-')) return std::nullopt;
  const std::string& name = arguments.front();
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == name) return std::nullopt;
    names.push_back(command->get_name());
  }
  return fmt::format("there is no command {}{}",
                     locket::proto::shorten(locket::proto::escape(name), 64),
                     locket::proto::did_you_mean(name, names, " (try: locketctl --help)"));
}

void complain(std::string_view text) {
  // If standard error is unusable, the exit status still tells: fmt::print would throw.
  const std::string line = fmt::format("locketctl: {}\n", text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

int exit_status_of(Errc code) {
  switch (code) {
    case Errc::invalid_params:
      return EX_USAGE;
    case Errc::no_daemon:
    case Errc::connection_lost:
      return EX_UNAVAILABLE;
    case Errc::file_error:
    case Errc::bad_file:
      return EX_NOINPUT;
    case Errc::not_permitted:
      return EX_NOPERM;
    case Errc::limit_reached:
      return EX_OSERR;
    case Errc::unsupported_protocol:
      return EX_PROTOCOL;
    default:
      return EX_SOFTWARE;
  }
}

int fail(const Error& error) {
  complain(error.message);
  return exit_status_of(error.code);
}

}  // namespace locketctl
