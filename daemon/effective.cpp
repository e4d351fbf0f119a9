#include "daemon/effective.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "daemon/config_file.hpp"
#include "daemon/settings.hpp"
#include "proto/environment.hpp"
#include "proto/option_text.hpp"
#include "proto/text.hpp"

namespace locketd {
namespace {

namespace proto = locket::proto;

constexpr std::string_view kPrefix = "LOCKETD_";
constexpr char kConfigVariable[] = "LOCKETD_CONFIG";

// What is wrong with the value, if anything. `name` is what the complaint calls it.
std::optional<std::string> set(Effective& found, std::size_t row, const std::string& value,
                               std::string_view name, std::string origin) {
  if (auto read = settings()[row].read(found.options, value); !read) {
    return std::string(name) + read.error();
  }
  found.origins[row] = std::move(origin);
  return std::nullopt;
}

std::optional<std::string> take_entry(Effective& found, const ConfigFile::Entry& entry,
                                      std::string place) {
  const auto names = names_of_settings();
  const auto name = std::ranges::find(names, entry.name);
  if (name != names.end()) {
    const auto row = static_cast<std::size_t>(name - names.begin());
    return set(found, row, entry.value, entry.name, std::move(place));
  }
  return fmt::format("there is no setting {}{}", proto::in_quotes(entry.name),
                     proto::did_you_mean(entry.name, names,
                                         fmt::format(" (there are: {})", fmt::join(names, ", "))));
}

void take_lines(Effective& found, const std::string& path, std::string_view text) {
  const auto place = [&](std::size_t line) {
    return fmt::format("{}:{}", proto::escape(path), line);
  };
  ConfigFile file = parse_config(text);
  for (const auto& entry : file.entries) {
    if (auto wrong = take_entry(found, entry, place(entry.line))) {
      file.mistakes.push_back({entry.line, std::move(*wrong)});
    }
  }
  std::ranges::sort(file.mistakes, {}, &ConfigFile::Mistake::line);
  for (const auto& [line, wrong] : file.mistakes) {
    found.mistakes.push_back(fmt::format("{}: {}", place(line), wrong));
  }
}

// `named`: the file that was asked for, in place of the default one.
void take_file(Effective& found, const std::optional<std::string>& named) {
  const auto path = named ? named : default_config_path();
  found.looked_for = path;
  if (!path) return;
  const auto text = read_config(*path);
  if (!text) {
    found.mistakes.push_back(text.error());
  } else if (*text) {
    found.config = path;
    take_lines(found, *path, **text);
  } else if (named) {
    found.mistakes.push_back(
        fmt::format("the configuration file {} does not exist", proto::escape(*path)));
  }
}

// A name that is nearly one of ours was meant for us. Others are left alone: with containers,
// variables such as LOCKETD_PORT come from elsewhere.
void look_for_misspelt_variables(Effective& found) {
  auto names = variables_of_settings();
  names.emplace_back(kConfigVariable);
  std::vector<std::string> endings;
  for (const std::string& name : names) endings.push_back(name.substr(name.find('_')));
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (!name.starts_with(kPrefix) || std::ranges::find(names, name) != names.end()) continue;
    const auto ending =
        proto::nearest(name.substr(kPrefix.size()), endings, proto::Parts::do_not_count);
    if (!ending) continue;
    const auto meant = std::ranges::find(endings, *ending) - endings.begin();
    found.mistakes.push_back(fmt::format("there is no variable {} (did you mean {}?)",
                                         proto::shorten(proto::escape(name), 64),
                                         names[static_cast<std::size_t>(meant)]));
  }
}

void take_environment(Effective& found) {
  for (std::size_t row = 0; row < settings().size(); ++row) {
    const std::string name(settings()[row].variable);
    const auto value = proto::variable(name);
    if (!value) continue;
    if (auto wrong = set(found, row, *value, name, name)) found.mistakes.push_back(*wrong);
  }
  look_for_misspelt_variables(found);
}

void take_flags(Effective& found, const Said& said) {
  for (std::size_t row = 0; row < settings().size(); ++row) {
    if (!said.flags[row]) continue;
    const std::string name = fmt::format("--{}", settings()[row].name);
    if (auto wrong = set(found, row, *said.flags[row], name, name)) {
      found.mistakes.push_back(*wrong);
      found.command_line_is_wrong = true;
    }
  }
}

}  // namespace

Effective effective(const Said& said) {
  Effective found;
  found.origins.assign(settings().size(), "default");
  take_file(found, said.config ? said.config : proto::variable(kConfigVariable));
  take_environment(found);
  take_flags(found, said);
  return found;
}

}  // namespace locketd
