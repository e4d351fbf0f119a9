#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "daemon/effective.hpp"
#include "daemon/settings.hpp"
#include "proto/line.hpp"
#include "proto/option_text.hpp"
#include "proto/text.hpp"

namespace locketd {
namespace {

namespace proto = locket::proto;

// The configuration file knows no escapes.
bool can_be_configured(const std::string& value) {
  return proto::printable(value) == value && !(value.contains('"') && value.contains('\''));
}

// Quoted as the configuration file needs it.
std::string config_value(const std::string& value) {
  constexpr std::string_view kBare =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%";
  if (value.find_first_not_of(kBare) == std::string::npos) return value;
  const char quote = value.contains('"') ? '\'' : '"';
  return quote + value + quote;
}

std::vector<std::string> lines_of(const Effective& found) {
  std::vector<std::string> lines;
  for (const Setting& setting : settings()) {
    const std::string value = setting.shown(found.options);
    lines.push_back(
        can_be_configured(value)
            ? fmt::format("{} = {}", setting.name, config_value(value))
            : fmt::format("# not for a file: {} = {}", setting.name, proto::in_quotes(value)));
  }
  return lines;
}

// Names the file: root's own daemon and the machine's have different ones.
std::string file_line(const Effective& found) {
  if (!found.looked_for) return "# there is no configuration file for a user without a home\n";
  return fmt::format("# {}{}\n", proto::escape(*found.looked_for),
                     found.config ? "" : " (which is not there)");
}

std::string json_string(std::string_view text) {
  proto::Line out;
  out.append_quoted(text);
  return std::string(out.view());
}

}  // namespace

std::string as_config(const Effective& found) {
  const auto lines = lines_of(found);
  const std::size_t width = std::ranges::max(lines, {}, &std::string::size).size();
  std::string text = file_line(found);
  for (std::size_t row = 0; row < lines.size(); ++row) {
    fmt::format_to(std::back_inserter(text), "{:<{}}  # {}\n", lines[row], width,
                   found.origins[row]);
  }
  return text;
}

std::string as_json(const Effective& found) {
  std::string text = "{\"config\": ";
  text += found.config ? json_string(proto::escape(*found.config)) : "null";
  text += ", \"settings\": {";
  for (std::size_t row = 0; row < settings().size(); ++row) {
    const Setting& setting = settings()[row];
    fmt::format_to(std::back_inserter(text), R"({}{}: {{"value": {}, "from": {}}})",
                   row == 0 ? "" : ", ", json_string(setting.name),
                   json_string(proto::escape(setting.shown(found.options))),
                   json_string(found.origins[row]));
  }
  return text + "}}\n";
}

}  // namespace locketd
