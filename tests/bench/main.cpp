#include <fmt/format.h>
#include <sys/resource.h>
#include <sysexits.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "tests/bench/crowd.hpp"
#include "tests/bench/options.hpp"
#include "tests/bench/run.hpp"
#include "tests/bench/worker.hpp"

namespace {

using namespace locket::bench;

// In some cases the crowd's sessions are this process's.
void allow_all_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Checked first, so that minutes of measuring are not lost.
void check_writable(const std::string& path) {
  if (!path.empty() && !std::ofstream(path, std::ios::app)) {
    throw std::system_error(errno, std::generic_category(), "cannot write " + path);
  }
}

void measure(const Options& options) {
  check_writable(options.json);
  check_writable(options.plot);
  Run run(options);
  print_heading();
  for (const Case& one : kCases) {
    const bool chosen =
        options.only.empty() || std::ranges::find(options.only, one.name) != options.only.end();
    if (chosen) one.measure(run);
  }
  if (!options.json.empty()) write_json(run.report(), options.json);
  if (!options.plot.empty()) write_plot(run.report().charts, options.plot);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (!words.empty() && words[0] == "worker") return work(words);
    if (!words.empty() && words[0] == "hold") return hold_many(words);
    int exit_status = EX_OK;
    const auto options = parse_options(argc, argv, exit_status);
    if (!options) return exit_status;
    allow_all_descriptors();
    measure(*options);
    return EX_OK;
  } catch (const std::exception& error) {
    fmt::print(stderr, "locket_bench: {}\n", error.what());
    return EX_SOFTWARE;
  }
}
