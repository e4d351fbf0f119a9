#include <fmt/core.h>
#include <sysexits.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/ctl/command.hpp"
#include "client/holders.hpp"
#include "client/process.hpp"
#include "client/queries.hpp"
#include "proto/text.hpp"

namespace locketctl {
namespace {

using locket::proto::StatusReport;

void print_json(const StatusReport& report) {
  const nlohmann::ordered_json json{
      {"version", report.version}, {"socket", report.socket},     {"pid", report.pid},
      {"uptime_s", report.uptime}, {"sessions", report.sessions}, {"locks", report.locks},
      {"holders", report.holders}, {"waiters", report.waiters},   {"grants", report.grants}};
  fmt::print("{}\n", json.dump(2));
}

void print_text(const StatusReport& report) {
  fmt::print("version   {}\n", locket::proto::printable(report.version));
  fmt::print("socket    {}\n", locket::proto::printable(report.socket));
  fmt::print("pid       {}\n", report.pid);
  fmt::print("uptime    {}\n", locket::client::duration_text(report.uptime));
  fmt::print("sessions  {}\n", report.sessions);
  fmt::print("locks     {} ({} holders, {} waiters)\n", report.locks, report.holders,
             report.waiters);
  fmt::print("grants    {}\n", report.grants);
}

int show_status(bool json) {
  const auto report = locket::client::status(locket::client::process().connection);
  if (!report) return fail(report.error());
  json ? print_json(*report) : print_text(*report);
  return EX_OK;
}

}  // namespace

void add_status(CLI::App& app, Action& action) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("status", "Show the daemon's version, socket and counts");
  command->add_flag("--json", *json, "Print one JSON object");
  command->callback(
      [json, &action] { action = [json](const Words&) { return show_status(*json); }; });
}

}  // namespace locketctl
