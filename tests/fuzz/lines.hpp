// From bytes to lines, as on both sides, with what must hold of any text.

#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/framing.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace locket::fuzz {

struct Lines {
  std::vector<std::string> lines;
  bool too_long = false;
  bool partial = false;
  friend bool operator==(const Lines&, const Lines&) = default;
};

// The lines that result when the bytes arrive in pieces of at most this size. The limit is small,
// so that short inputs reach it.
inline Lines lines_of(std::string_view bytes, std::size_t piece, std::size_t limit) {
  Lines result;
  proto::LineBuffer buffer(limit);
  while (!bytes.empty() && !result.too_long) {
    const auto part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    buffer.append(part);
    for (;;) {
      const auto line = buffer.next();
      result.too_long = !line;
      if (!line || !*line) break;
      require((*line)->size() <= limit, "a line longer than the limit");
      require((*line)->find('\n') == std::string_view::npos, "a line feed in a line");
      result.lines.emplace_back(**line);
    }
  }
  result.partial = !result.too_long && buffer.partial();
  return result;
}

// The lines, after checking that they do not depend on how the bytes arrive.
inline std::vector<std::string> lines_of(std::string_view bytes) {
  for (const std::size_t limit : {std::size_t{16}, proto::kMaxLineBytes}) {
    const Lines whole = lines_of(bytes, bytes.size(), limit);
    for (const std::size_t piece : {1U, 3U, 7U, 64U}) {
      require(lines_of(bytes, piece, limit) == whole, "lines depend on how the bytes arrive");
    }
    if (limit == proto::kMaxLineBytes) return whole.lines;
  }
  return {};
}

// Safe for a terminal and for JSON: no control characters, valid UTF-8 (which nlohmann checks too).
inline void require_safe(std::string_view text) {
  require(proto::printable(text) == text, "text that does harm on a terminal");
  std::ignore = nlohmann::json(text).dump();  // throws if it is not UTF-8
}

inline std::string_view without_line_feed(std::string_view line) {
  require(line.ends_with('\n') && line.find('\n') == line.size() - 1, "not exactly one line");
  return line.substr(0, line.size() - 1);
}

}  // namespace locket::fuzz
