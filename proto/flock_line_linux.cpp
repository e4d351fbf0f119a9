#include <sys/sysmacros.h>

#include <charconv>
#include <system_error>
#include <vector>

#include "proto/flock_line.hpp"

namespace locket::proto {
namespace {

template <typename Number>
std::optional<Number> number_in(std::string_view text, int base = 10) {
  Number number{};
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number, base);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return number;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) return parts;
    text.remove_prefix(begin);
    const std::string_view part = text.substr(0, text.find_first_of(separators));
    parts.push_back(part);
    text.remove_prefix(part.size());
  }
}

// MAJOR:MINOR:INODE, the first two in hexadecimal.
std::optional<FileId> file_in(std::string_view text) {
  const auto parts = split(text, ":");
  if (parts.size() != 3) return std::nullopt;
  const auto major_number = number_in<unsigned>(parts[0], 16);
  const auto minor_number = number_in<unsigned>(parts[1], 16);
  const auto inode = number_in<std::uint64_t>(parts[2]);
  if (!major_number || !minor_number || !inode) return std::nullopt;
  return FileId{makedev(*major_number, *minor_number), *inode};
}

}  // namespace

std::optional<FlockLine> parse_flock_line(std::string_view line) {
  // NUMBER: FLOCK ADVISORY MODE PID FILE START END; a waiter has "->" after the number.
  const auto words = split(line, " \t");
  if (words.size() != 8 || words[1] != "FLOCK") return std::nullopt;
  const auto pid = number_in<std::int64_t>(words[4]);
  const auto file = file_in(words[5]);
  if (!pid || !file) return std::nullopt;
  const auto mode = words[3] == "READ" ? Mode::shared : Mode::exclusive;
  return FlockLine{mode, *pid, *file};
}

}  // namespace locket::proto
