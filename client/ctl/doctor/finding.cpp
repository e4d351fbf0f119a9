#include "client/ctl/doctor/finding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "proto/text.hpp"

namespace locketctl {
namespace {

using Json = nlohmann::ordered_json;

struct Look {
  const char* name;
  const char* colour;  // console_codes(4)
};

constexpr std::array kLooks{Look{"ok", "\x1b[32m"}, Look{"warning", "\x1b[33m"},
                            Look{"problem", "\x1b[31m"}};

const Look& look_of(Finding::State state) {
  return kLooks.at(static_cast<std::size_t>(state));
}

Json json_of(const Finding& finding) {
  Json json{
      {"check", finding.check}, {"state", look_of(finding.state).name}, {"text", finding.text}};
  if (!finding.advice.empty()) json["advice"] = finding.advice;
  return json;
}

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string as_line(const Finding& finding, bool coloured) {
  const auto& [name, colour] = look_of(finding.state);
  std::string state = fmt::format("{:<8}", name);
  if (coloured) state = fmt::format("{}{}\x1b[0m", colour, state);
  // Already escaped, but much of it comes from outside this process.
  std::string text = locket::proto::printable(finding.text);
  if (!finding.advice.empty()) text += " -> " + locket::proto::printable(finding.advice);
  return fmt::format("{} {:<12} {}\n", state, finding.check, text);
}

std::string as_json(const std::vector<Finding>& findings) {
  Json checks = Json::array();
  for (const Finding& finding : findings) checks.push_back(json_of(finding));
  const auto count = [&](Finding::State state) {
    return std::ranges::count(findings, state, &Finding::state);
  };
  return dump(Json{{"checks", std::move(checks)},
                   {"warnings", count(Finding::State::warning)},
                   {"problems", count(Finding::State::problem)}},
              2) +
         '\n';
}

std::string encode(const Finding& finding) {
  return dump(
      Json::array({static_cast<int>(finding.state), finding.check, finding.text, finding.advice}),
      -1);
}

Finding decode_finding(const std::string& line) {
  const auto json = Json::parse(line);
  return {static_cast<Finding::State>(json.at(0).get<int>()), json.at(1), json.at(2), json.at(3)};
}

}  // namespace locketctl
