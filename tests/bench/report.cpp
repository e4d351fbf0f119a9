#include "tests/bench/report.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace locket::bench {
namespace {

using Json = nlohmann::ordered_json;

std::string goal_text(const Result& result) {
  if (result.goal == Goal::none) return "";
  return fmt::format("{} {:g}", result.goal == Goal::at_most ? "≤" : "≥", result.bound);
}

const char* verdict(const Result& result) {
  if (result.goal == Goal::none) return "";
  return result.met() ? "met" : "missed";
}

std::string kernel() {
  std::string name;
  std::getline(std::ifstream("/proc/sys/kernel/osrelease"), name);
  return name;
}

std::string processor() {
  std::ifstream facts("/proc/cpuinfo");
  for (std::string line; std::getline(facts, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return "unknown";
}

Json machine() {
  return {{"processors", std::thread::hardware_concurrency()},
          {"model", processor()},
          {"kernel", kernel()}};
}

Json as_json(const Result& result) {
  Json entry{{"value", result.value()}};
  if (result.goal == Goal::none) {
    entry["goal"] = nullptr;
    entry["met"] = nullptr;
  } else {
    entry["goal"] = result.bound;
    entry["met"] = result.met();
    entry["better"] = result.goal == Goal::at_most ? "lower" : "higher";
  }
  const auto [least, greatest] = std::ranges::minmax(result.values);
  entry["spread"] = {least, greatest};
  entry["rounds"] = result.values.size();
  entry["note"] = result.note;
  return entry;
}

}  // namespace

bool Result::met() const {
  return goal == Goal::none || (goal == Goal::at_most ? value() <= bound : value() >= bound);
}

std::string described(const Figures& figures) {
  const Samples all = figures.all();
  return fmt::format("{} {:.1f} µs (p99 {:.1f})", figures.who, median(all),
                     percentile(all, kNearlyAll));
}

Result compared(std::string name, Goal goal, double bound, const Figures& ours,
                const Figures& theirs) {
  return {std::move(name), ratios(ours, theirs), goal, bound,
          described(ours) + ", " + described(theirs)};
}

void print_heading() {
  fmt::print("{:<22} {:>9} {:>8}  {:<7} {:<19}  {}\n", "name", "value", "goal", "", "spread",
             "figures");
}

void print_line(const Result& result) {
  const auto [least, greatest] = std::ranges::minmax(result.values);
  fmt::print("{:<22} {:>9.4g} {:>8}  {:<7} {:<19}  {}\n", result.name, result.value(),
             goal_text(result), verdict(result), fmt::format("{:.4g} to {:.4g}", least, greatest),
             result.note);
  std::fflush(stdout);
}

void write_json(const Report& report, const std::string& path) {
  Json ratios = Json::object();
  for (const Result& result : report.results) ratios[result.name] = as_json(result);
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const Json all{{"date", fmt::format("{:%FT%TZ}", now)},
                 {"quick", report.quick},
                 {"machine", machine()},
                 {"ratios", ratios}};
  std::ofstream file(path);
  file << all.dump(2) << '\n';
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace locket::bench
