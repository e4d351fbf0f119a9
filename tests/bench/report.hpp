// What a run has found, and its forms: a table, build/bench.json, a plot.

#pragma once

#include <string>
#include <vector>

#include "tests/bench/samples.hpp"

namespace locket::bench {

enum class Goal { at_most, at_least, none };

// One line of the table. The spread is from the least to the greatest of the rounds' values.
struct Result {
  std::string name;
  Samples values;
  Goal goal = Goal::none;
  double bound = 0;
  std::string note = {};  // the figures of the two sides

  [[nodiscard]] double value() const { return median(values); }
  [[nodiscard]] bool met() const;
};

// Bars side by side, on one logarithmic scale.
struct Chart {
  std::string title;
  std::vector<Figures> bars;
};

struct Report {
  std::vector<Result> results;
  std::vector<Chart> charts;
  bool quick = false;
};

// The ratio of two sides' figures, round by round, with both in the note.
Result compared(std::string name, Goal goal, double bound, const Figures& ours,
                const Figures& theirs);

// "24.1 µs (p99 40.2)"
std::string described(const Figures& figures);

// As much of it as fits on a line, for people.
void print_line(const Result& result);
void print_heading();

void write_json(const Report& report, const std::string& path);
void write_plot(const std::vector<Chart>& charts, const std::string& path);

}  // namespace locket::bench
