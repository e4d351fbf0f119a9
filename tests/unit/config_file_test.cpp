#include "daemon/config_file.hpp"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <sstream>

namespace locketd {
namespace {

std::string value(const std::string& line) {
  const ConfigFile file = parse_config(line);
  if (file.entries.size() != 1 || !file.mistakes.empty()) return "not one entry";
  return file.entries[0].value;
}

std::string mistake(const std::string& line) {
  const ConfigFile file = parse_config(line);
  return file.mistakes.size() == 1 ? file.mistakes[0].text : "not one mistake";
}

constexpr char kLawful[] =
    "# a comment\n"
    "\n"
    "socket = /run/a.sock\n"
    "  log-level=\"debug\"   # why\n"
    "; another\n"
    "max-held-per-user = '12'\r\n"
    "max-waiting-per-user = 7# why\n"
    "reason = \"with blanks, and commas\"";

TEST(ConfigFile, Knows_names_values_and_lines) {
  const ConfigFile file = parse_config(kLawful);
  EXPECT_TRUE(file.mistakes.empty());
  ASSERT_EQ(file.entries.size(), 5U);
  const std::vector<std::pair<std::string, std::size_t>> expected{
      {"/run/a.sock", 3}, {"debug", 4}, {"12", 6}, {"7", 7}, {"with blanks, and commas", 8}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(file.entries[i].value, expected[i].first);
    EXPECT_EQ(file.entries[i].line, expected[i].second);
  }
  EXPECT_EQ(file.entries[1].name, "log-level");
}

TEST(ConfigFile, Is_read_by_CLI11_in_the_same_way) {
  std::istringstream stream(kLawful);
  const auto items = CLI::ConfigTOML().from_config(stream);
  const ConfigFile file = parse_config(kLawful);
  ASSERT_EQ(items.size(), file.entries.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(items[i].name, file.entries[i].name);
    EXPECT_EQ(items[i].inputs, std::vector{file.entries[i].value});
  }
}

TEST(ConfigFile, A_value_in_quotes_is_taken_as_it_stands) {
  EXPECT_EQ(value("a = \"x # y\""), "x # y");
  EXPECT_EQ(value("a = 'x \" y'"), "x \" y");
  EXPECT_EQ(value("a = \"\""), "");
  EXPECT_EQ(value("a = x=y"), "x=y");
  EXPECT_EQ(value("a ="), "");
}

TEST(ConfigFile, What_is_not_understood_is_a_mistake_with_its_line) {
  EXPECT_EQ(mistake("a"), "a line must say NAME = VALUE, not \"a\"");
  EXPECT_EQ(mistake("= 1"), "a line must say NAME = VALUE, not \"= 1\"");
  EXPECT_EQ(mistake("[locketd]"), "there are no sections in this file");
  EXPECT_EQ(mistake("a = \"x"), "the quote is not closed");
  EXPECT_EQ(mistake("a = \"x\" y"), "after the quote there is \"y\"");
  EXPECT_EQ(mistake("a = x y"), "a value with blanks or commas needs quotes around it");
  EXPECT_EQ(mistake("a = x,y"), "a value with blanks or commas needs quotes around it");
  EXPECT_EQ(mistake("a = 1\nb = 2\na = 3"), "a is set on line 1 already");
  EXPECT_EQ(mistake("\x1b[31m"), R"(a line must say NAME = VALUE, not "\x1b[31m")");
  EXPECT_EQ(parse_config("a = 1\n\n#\nb\n").mistakes.at(0).line, 4U);
}

TEST(ConfigFile, That_is_missing_is_no_error_but_one_that_cannot_be_read_is) {
  EXPECT_EQ(read_config("/nowhere/locketd.conf").value(), std::nullopt);
  EXPECT_EQ(read_config("/dev/null/locketd.conf").value(), std::nullopt);
  EXPECT_EQ(read_config("/dev/null").value(), "");
  EXPECT_EQ(read_config("/tmp").error(), "cannot read /tmp: Is a directory");
  EXPECT_EQ(read_config("/dev/zero").error(),
            "cannot read /dev/zero: it is too large for a configuration file");
}

}  // namespace
}  // namespace locketd
