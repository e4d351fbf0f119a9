#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/bench/report.hpp"

namespace locket::bench {
namespace {

constexpr double kWidth = 760;
constexpr double kNames = 190;   // left of the bars
constexpr double kFigures = 90;  // right of the bars
constexpr double kRow = 26;
constexpr double kTitle = 44;
constexpr double kBar = 14;

// In decades, so that a factor of ten has the same length everywhere.
struct Scale {
  double from = 0;
  double to = 1;

  [[nodiscard]] double at(double value) const {
    const double share = (std::log10(value) - from) / (to - from);
    return kNames + (share * (kWidth - kNames - kFigures));
  }
};

Scale scale_for(const Chart& chart) {
  Scale scale{.from = 9, .to = 0};
  for (const Figures& bar : chart.bars) {
    const Samples all = bar.all();
    scale.from = std::min(scale.from, std::floor(std::log10(median(all))));
    scale.to = std::max(scale.to, std::ceil(std::log10(percentile(all, kNearlyAll))));
  }
  return scale;
}

std::string number(double value) {
  return value < 100 ? fmt::format("{:.1f}", value) : fmt::format("{:.0f}", value);
}

void draw_bar(std::string& svg, const Scale& scale, const Figures& bar, double y) {
  const Samples all = bar.all();
  const double middle = median(all);
  const double nearly_all = percentile(all, kNearlyAll);
  const double line = y + (kBar / 2);
  fmt::format_to(std::back_inserter(svg),
                 "<text x='{:.1f}' y='{:.1f}' text-anchor='end'>{}</text>\n"
                 "<rect class='{}' x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{}' rx='2'/>\n"
                 "<path class='tail' d='M{:.1f} {:.1f}H{:.1f}m0 -4v8'/>\n"
                 "<text x='{:.1f}' y='{:.1f}'>{} µs</text>\n",
                 kNames - 10, y + 11, bar.who, bar.who.starts_with("locketd") ? "ours" : "theirs",
                 kNames, y, std::max(1.0, scale.at(middle) - kNames), kBar, scale.at(middle), line,
                 scale.at(nearly_all), scale.at(nearly_all) + 8, y + 11, number(middle));
}

void draw_grid(std::string& svg, const Scale& scale, double top, double bottom) {
  for (double decade = scale.from; decade <= scale.to; ++decade) {
    const double x = scale.at(std::pow(10, decade));
    fmt::format_to(
        std::back_inserter(svg),
        "<path class='grid' d='M{:.1f} {:.1f}V{:.1f}'/>\n"
        "<text class='small' x='{:.1f}' y='{:.1f}' text-anchor='middle'>{:g} µs</text>\n",
        x, top, bottom, x, bottom + 14, std::pow(10, decade));
  }
}

double draw(std::string& svg, const Chart& chart, double y) {
  const Scale scale = scale_for(chart);
  const double top = y + kTitle;
  const double bottom = top + (kRow * static_cast<double>(chart.bars.size()));
  fmt::format_to(std::back_inserter(svg), "<text class='title' x='16' y='{:.1f}'>{}</text>\n",
                 y + 26, chart.title);
  draw_grid(svg, scale, top - 4, bottom);
  for (std::size_t i = 0; i < chart.bars.size(); ++i) {
    draw_bar(svg, scale, chart.bars[i], top + (kRow * static_cast<double>(i)) + 4);
  }
  return bottom + 24;
}

// Legible on light and dark pages.
constexpr const char* kStyle =
    "<style>\n"
    "text{font:13px "
    "sans-serif;fill:#24292f}.title{font-weight:bold}.small{font-size:11px;fill:#6e7781}\n"
    ".ours{fill:#1a7f37}.theirs{fill:#8c959f}.grid{stroke:#d0d7de;stroke-width:1}\n"
    ".tail{stroke:#57606a;stroke-width:1.5;fill:none}.page{fill:#ffffff}\n"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#8b949e}.grid{stroke:#30363d}"
    "\n"
    ".ours{fill:#3fb950}.theirs{fill:#6e7681}.tail{stroke:#adbac7}.page{fill:#0d1117}}\n"
    "</style>\n";

}  // namespace

void write_plot(const std::vector<Chart>& charts, const std::string& path) {
  std::string body;
  double height = 0;
  for (const Chart& chart : charts) height = draw(body, chart, height);
  height += 8;
  std::ofstream file(path);
  file << fmt::format(
              "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {0} {1:.0f}' width='{0}' "
              "height='{1:.0f}' role='img'>\n",
              kWidth, height)
       << "<title>Medians, with a line to the 99th percentile</title>\n"
       << kStyle << "<rect class='page' width='100%' height='100%'/>\n"
       << body << "</svg>\n";
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace locket::bench
