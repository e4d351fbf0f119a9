#include "daemon/config_file.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "proto/option_text.hpp"
#include "proto/text.hpp"

namespace locketd {
namespace {

namespace proto = locket::proto;

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kToBeQuoted = " \t,";  // at which CLI11 splits a list of values

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// The value after the "=", without quotes and comment.
std::expected<std::string, std::string> value_of(std::string_view text) {
  if (text.empty() || (text[0] != '"' && text[0] != '\'')) {
    const std::string_view bare = trimmed(text.substr(0, text.find('#')));
    if (bare.find_first_of(kToBeQuoted) == std::string_view::npos) return std::string(bare);
    return std::unexpected("a value with blanks or commas needs quotes around it");
  }
  const auto close = text.find(text[0], 1);
  if (close == std::string_view::npos) return std::unexpected("the quote is not closed");
  const std::string_view rest = trimmed(text.substr(close + 1));
  if (!rest.empty() && rest[0] != '#') {
    return std::unexpected(fmt::format("after the quote there is {}", proto::in_quotes(rest)));
  }
  return std::string(text.substr(1, close - 1));
}

void take_line(ConfigFile& file, std::string_view text, std::size_t number) {
  const auto wrong = [&](std::string why) { file.mistakes.push_back({number, std::move(why)}); };
  text = trimmed(text);
  if (text.empty() || text[0] == '#' || text[0] == ';') return;
  if (text[0] == '[') return wrong("there are no sections in this file");
  const auto equals = text.find('=');
  const std::string_view name = trimmed(text.substr(0, equals));
  if (equals == std::string_view::npos || name.empty()) {
    return wrong(fmt::format("a line must say NAME = VALUE, not {}", proto::in_quotes(text)));
  }
  const auto earlier = std::ranges::find(file.entries, name, &ConfigFile::Entry::name);
  if (earlier != file.entries.end()) {
    return wrong(fmt::format("{} is set on line {} already",
                             proto::shorten(proto::escape(name), 64), earlier->line));
  }
  const auto value = value_of(trimmed(text.substr(equals + 1)));
  if (!value) return wrong(value.error());
  file.entries.push_back({std::string(name), *value, number});
}

}  // namespace

ConfigFile parse_config(std::string_view text) {
  ConfigFile file;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    take_line(file, text.substr(0, end), number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return file;
}

}  // namespace locketd
