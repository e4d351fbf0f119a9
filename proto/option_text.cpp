#include "proto/option_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

#include "proto/text.hpp"

namespace locket::proto {
namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::size_t kShown = 64;

char plain(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '_' ? '-' : c;
}

std::string plain(std::string_view word) {
  word.remove_prefix(std::min(word.find_first_not_of("-_"), word.size()));
  std::string text;
  for (const char c : word) text += plain(c);
  return text;
}

// How many letters to insert, remove, replace or swap with their neighbour ("optimal string
// alignment").
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

// None: too far to have been meant.
std::optional<std::size_t> far_from(std::string_view word, std::string_view name, Parts parts) {
  constexpr std::size_t kTelling = 3;  // letters
  const bool counts = parts == Parts::count && word.size() >= kTelling;
  if (counts && name.contains(word)) return word == name ? 0 : 1;
  const std::size_t far = distance(word, name);
  if (far > std::max(word.size(), name.size()) / 3) return std::nullopt;
  return far;
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> names,
                                   Parts parts) {
  if (word.size() > kLongestName) return std::nullopt;
  const std::string meant = plain(word);
  std::optional<std::string> found;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const std::string& name : names) {
    const auto far = far_from(meant, plain(name), parts);
    if (!far || *far >= least) continue;
    least = *far;
    found = name;
  }
  return found;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> names,
                         std::string_view otherwise) {
  const auto name = nearest(word, names);
  return name ? fmt::format(" (did you mean {}?)", *name) : std::string(otherwise);
}

std::string in_quotes(std::string_view value) {
  return fmt::format("\"{}\"", shorten(escape(value), kShown));
}

std::expected<std::uint64_t, std::string> whole_number(const std::string& text, std::uint64_t least,
                                                       std::uint64_t most) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const bool good = error == std::errc() && stop == end && (text.size() == 1 || text[0] != '0');
  if (good && number >= least && number <= most) return number;
  return std::unexpected(
      fmt::format(" takes a whole number from {} to {}, not {}", least, most, in_quotes(text)));
}

}  // namespace locket::proto
