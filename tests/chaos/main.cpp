#include <fmt/core.h>
#include <sysexits.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "tests/chaos/options.hpp"
#include "tests/chaos/roles.hpp"
#include "tests/chaos/supervisor.hpp"

int main(int argc, char** argv) {
  using namespace locket::chaos;
  std::signal(SIGPIPE, SIG_IGN);
  try {
    if (const int status = play_role(Words(argv + 1, argv + argc)); status >= 0) return status;
    int exit_status = EX_OK;
    const auto options = parse_options(argc, argv, exit_status);
    if (!options) return exit_status;
    return Supervisor(*options).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "locket_chaos: {}\n", error.what());
    return EX_SOFTWARE;
  }
}
