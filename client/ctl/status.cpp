#include <fmt/core.h>
#include <fmt/format.h>
#include <sysexits.h>

#include <cstdio>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "client/ctl/command.hpp"
#include "client/holders.hpp"
#include "client/process.hpp"
#include "client/queries.hpp"
#include "proto/text.hpp"

namespace locketctl {
namespace {

using locket::proto::StatusReport;

using locket::proto::Share;

nlohmann::ordered_json json_of(const Share& share) {
  return {{"has", share.has}, {"limit", share.limit}};
}

std::string as_json(const StatusReport& report) {
  const auto& user = report.user;
  const nlohmann::ordered_json json{{"version", report.version},
                                    {"socket", report.socket},
                                    {"pid", report.pid},
                                    {"uptime_s", report.uptime},
                                    {"sessions", report.sessions},
                                    {"locks", report.locks},
                                    {"holders", report.holders},
                                    {"waiters", report.waiters},
                                    {"grants", report.grants},
                                    {"descriptors", report.descriptors},
                                    {"descriptor_limit", report.descriptor_limit},
                                    {"user",
                                     {{"sessions", json_of(user.sessions)},
                                      {"held", json_of(user.held)},
                                      {"waiting", json_of(user.waiting)},
                                      {"text", json_of(user.text)},
                                      {"descriptors", json_of(user.descriptors)}}}};
  return json.dump(2) + '\n';
}

std::string as_text(const StatusReport& report) {
  std::string text;
  const auto to = std::back_inserter(text);
  fmt::format_to(to, "version      {}\n", locket::proto::printable(report.version));
  fmt::format_to(to, "socket       {}\n", locket::proto::printable(report.socket));
  fmt::format_to(to, "pid          {}\n", report.pid);
  fmt::format_to(to, "uptime       {}\n", locket::client::duration_text(report.uptime));
  fmt::format_to(to, "sessions     {}\n", report.sessions);
  fmt::format_to(to, "locks        {}\n", report.locks);
  fmt::format_to(to, "holders      {}\n", report.holders);
  fmt::format_to(to, "waiters      {}\n", report.waiters);
  fmt::format_to(to, "grants       {}\n", report.grants);
  fmt::format_to(to, "descriptors  {} of {}\n", report.descriptors, report.descriptor_limit);
  if (const auto& [sessions, held, waiting, texts, descriptors] = report.user; sessions.limit > 0) {
    fmt::format_to(to,
                   "yours        {} of {} sessions, {} of {} locks held, {} of {} waiting,\n"
                   "             {} of {} bytes of paths and reasons, {} of {} descriptors\n",
                   sessions.has, sessions.limit, held.has, held.limit, waiting.has, waiting.limit,
                   texts.has, texts.limit, descriptors.has, descriptors.limit);
  }
  return text;
}

int show_status(bool json) {
  const auto report = locket::client::status(locket::client::process().connection);
  if (!report) return fail(report.error());
  const std::string text = json ? as_json(*report) : as_text(*report);
  std::fwrite(text.data(), 1, text.size(), stdout);
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
