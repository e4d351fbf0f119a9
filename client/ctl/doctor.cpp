#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/ctl/command.hpp"
#include "client/ctl/doctor/checks.hpp"
#include "proto/environment.hpp"

namespace locketctl {
namespace {

constexpr int kProblem = 1;

struct DoctorOptions {
  std::optional<std::string> path;
  bool json = false;
};

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);  // the next step may take a while
}

int examine_all(const DoctorOptions& options) {
  std::vector<Finding> findings;
  const auto tell = [&](Finding finding) {
    if (!options.json) print(as_line(finding, locket::proto::wants_colour(STDOUT_FILENO)));
    findings.push_back(std::move(finding));
  };
  examine(daemon_steps(), tell);
  if (options.path) examine(path_steps(*options.path), tell);
  if (options.json) print(as_json(findings));
  const bool healthy =
      std::ranges::find(findings, Finding::State::problem, &Finding::state) == findings.end();
  return healthy ? EX_OK : kProblem;
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command =
      app.add_subcommand("doctor", "Check the installation, and what to expect of a lock file");
  command->add_option("PATH", options->path, "Also check whether this file can be locked");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "Prints one line per check: ok, warning (it works, but perhaps not as expected) or problem,\n"
      "then what was found and, after \"->\", what to do. PATH is neither created nor written to;\n"
      "a shared lock on it is tried for a moment. No answer within 5 s is a problem.\n"
      "Exit status: 0; 1 if there is a problem.");
  command->callback(
      [options, &action] { action = [options](const Words&) { return examine_all(*options); }; });
}

}  // namespace locketctl
