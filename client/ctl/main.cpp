#include <fmt/core.h>
#include <sysexits.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "client/ctl/command.hpp"
#include "proto/command_line.hpp"
#include "proto/socket_path.hpp"
#include "proto/standard_streams.hpp"
#include "proto/version.hpp"

namespace {

// CLI11 takes "[a,b]" for two values, but it is a path.
void keep_brackets(locketctl::Words& arguments) {
  for (std::string& word : arguments) {
    if (word.starts_with('[') && word.ends_with(']')) word.insert(0, "./");
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Takes file locks in turn with other programs, and shows who has them."};
  app.name("locketctl");
  app.set_version_flag("--version", fmt::format("locketctl {}", locket::proto::kVersion));
  app.require_subcommand(1);
  app.footer(
      "The daemon's socket is $LOCKET_SOCKET, else $XDG_RUNTIME_DIR/locket/locketd.sock, else\n"
      "/run/locket/locketd.sock.\n"
      "Exit status 69: no daemon answers. Others: see locketctl COMMAND --help");

  locketctl::Action action;
  locketctl::add_run(app, action);
  locketctl::add_list(app, action);
  locketctl::add_status(app, action);
  locketctl::add_doctor(app, action);
  locketctl::Words arguments(argv + 1, argv + argc);
  if (const auto unknown = locketctl::unknown_command(app, arguments)) {
    locketctl::complain(*unknown);
    return EX_USAGE;
  }
  const locketctl::Words words = locketctl::split_words(app, arguments);
  if (words.empty()) keep_brackets(arguments);
  try {
    std::ranges::reverse(arguments);  // the order that CLI11 expects
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    locketctl::complain(locket::proto::complaint(app, error));
    return EX_USAGE;
  }
  // Checked here, since the library would report only that there is no daemon.
  const auto given = locket::proto::check_socket_path(locket::proto::socket_candidates().front());
  if (!given) {
    locketctl::complain("LOCKET_SOCKET: " + given.error().message);
    return EX_USAGE;
  }
  return action(words);
}

// Lost output, for instance on a full disk, must not look like an empty list.
int written(int status) {
  std::cout.flush();  // CLI11's help texts
  if (std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  locketctl::complain("cannot write to standard output");
  return EX_IOERR;
}

}  // namespace

int main(int argc, char** argv) {
  locket::proto::fill_standard_streams();
  try {
    return written(run(argc, argv));
  } catch (const std::exception& error) {
    locketctl::complain(error.what());
    return EX_SOFTWARE;
  }
}
