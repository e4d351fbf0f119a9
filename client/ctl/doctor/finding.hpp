// What one check of `locketctl doctor` found: a line for people, an object for programs.
//
// Pure.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace locketctl {

struct Finding {
  enum class State : std::uint8_t {
    ok,
    warning,  // works, but not as might be expected
    problem,  // does not work
  };

  State state = State::ok;
  std::string check;   // a stable name, for programs: "socket"
  std::string text;    // what was found; escaped
  std::string advice;  // what to do; empty if all is well
};

using Tell = std::function<void(Finding)>;

inline Finding ok(std::string check, std::string text) {
  return {Finding::State::ok, std::move(check), std::move(text), {}};
}
inline Finding warning(std::string check, std::string text, std::string advice) {
  return {Finding::State::warning, std::move(check), std::move(text), std::move(advice)};
}
inline Finding problem(std::string check, std::string text, std::string advice) {
  return {Finding::State::problem, std::move(check), std::move(text), std::move(advice)};
}

// One line, with its line feed: `ok       socket       /run/locket/locketd.sock, ...`.
std::string as_line(const Finding& finding, bool coloured);

std::string as_json(const std::vector<Finding>& findings);

// For sending from one process to another: a line without line feed.
std::string encode(const Finding& finding);
Finding decode_finding(const std::string& line);

}  // namespace locketctl
