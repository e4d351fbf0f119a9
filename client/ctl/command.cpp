#include "client/ctl/command.hpp"

#include <fmt/core.h>
#include <sysexits.h>

#include <cstdio>

namespace locketctl {

using locket::proto::Errc;
using locket::proto::Error;

const std::string* unknown_command(const CLI::App& app, const Words& arguments) {
  if (arguments.empty() || arguments.front().starts_with('-')) return nullptr;
  const std::string& name = arguments.front();
  const auto named = [&](const CLI::App* command) { return command->get_name() == name; };
  return app.get_subcommands(named).empty() ? &name : nullptr;
}

void complain(std::string_view text) {
  // Where nobody can be told, the exit status still tells: fmt::print would throw.
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
