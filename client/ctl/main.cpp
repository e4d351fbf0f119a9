#include <fmt/core.h>
#include <sysexits.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>

#include "client/ctl/command.hpp"
#include "proto/text.hpp"
#include "proto/version.hpp"

namespace {

int run(int argc, char** argv) {
  CLI::App app{"Takes file locks in turn with other programs, and shows who has them."};
  app.name("locketctl");
  app.set_version_flag("--version", fmt::format("locketctl {}", locket::proto::kVersion));
  app.require_subcommand(1);
  app.footer(
      "The daemon is looked for at $LOCKET_SOCKET, else at $XDG_RUNTIME_DIR/locket/locketd.sock\n"
      "and then /run/locket/locketd.sock.\n"
      "Exit status 69: no daemon answers. Others: see locketctl COMMAND --help");

  locketctl::Action action;
  locketctl::add_run(app, action);
  locketctl::add_list(app, action);
  locketctl::add_status(app, action);
  locketctl::add_doctor(app, action);
  locketctl::Words arguments(argv + 1, argv + argc);
  if (const auto* unknown = locketctl::unknown_command(app, arguments)) {
    locketctl::complain(fmt::format("there is no command {} (try: locketctl --help)",
                                    locket::proto::escape(*unknown)));
    return EX_USAGE;
  }
  const locketctl::Words words = locketctl::split_words(app, arguments);
  try {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    const auto chosen = app.get_subcommands();
    locketctl::complain(fmt::format("{} (try: locketctl {}--help)",
                                    locket::proto::printable(error.what()),
                                    chosen.empty() ? "" : chosen.front()->get_name() + ' '));
    return EX_USAGE;
  }
  return action(words);
}

// Output that did not arrive, as on a full disk, must not look like an empty list.
int written(int status) {
  std::cout.flush();  // CLI11's help texts
  if (std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  locketctl::complain("cannot write to standard output");
  return EX_IOERR;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return written(run(argc, argv));
  } catch (const std::exception& error) {
    locketctl::complain(error.what());
    return EX_SOFTWARE;
  }
}
