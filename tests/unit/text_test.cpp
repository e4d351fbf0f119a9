#include "proto/text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>

namespace locket::proto {
namespace {

using namespace std::string_view_literals;

// What escaped text must be. That it is also valid UTF-8 is tested with the codec.
bool is_harmless(std::string_view text) {
  return std::ranges::none_of(
             text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }) &&
         printable(text) == text;
}

TEST(Text, Plain_text_of_any_language_stays_as_it_is) {
  for (const std::string_view text :
       {"", "/tmp/a b.lock", "\"quoted\"", "häuser/锁/🔒", "e\u0301"}) {
    EXPECT_EQ(escape(text), text);
    EXPECT_EQ(printable(text), text);
    EXPECT_EQ(unescape(text), text);
  }
}

TEST(Text, Control_characters_are_escaped) {
  EXPECT_EQ(escape("a\nb\tc\rd"), R"(a\nb\tc\rd)");
  EXPECT_EQ(escape("\x1b[31m\x07\x7f"), R"(\x1b[31m\x07\x7f)");
  EXPECT_EQ(escape("\0"sv), R"(\x00)");
}

TEST(Text, Every_byte_below_space_is_escaped) {
  for (char byte = 0; byte < ' '; ++byte) {
    const std::string escaped = escape({&byte, 1});
    EXPECT_EQ(escaped.front(), '\\') << static_cast<int>(byte);
    EXPECT_TRUE(is_harmless(escaped)) << static_cast<int>(byte);
  }
}

TEST(Text, C1_control_characters_are_escaped) {
  EXPECT_EQ(escape("\u0080\u009b\u009f"), R"(\xc2\x80\xc2\x9b\xc2\x9f)");
  EXPECT_EQ(escape("\u00a0"), "\u00a0");
}

// A character of three bytes: U+0800 to U+FFFF.
std::string utf8(unsigned point) {
  return {static_cast<char>(0xE0U | point >> 12), static_cast<char>(0x80U | (point >> 6 & 0x3FU)),
          static_cast<char>(0x80U | (point & 0x3FU))};
}

TEST(Text, Characters_that_reorder_a_line_are_escaped) {
  EXPECT_EQ(escape(utf8(0x202E) + "gpj.exe"), R"(\xe2\x80\xaegpj.exe)");
  EXPECT_EQ(escape("\u061c"), R"(\xd8\x9c)");
  for (const unsigned point :
       {0x200EU, 0x200FU, 0x2028U, 0x202AU, 0x202EU, 0x2066U, 0x2069U, 0xFEFFU}) {
    EXPECT_TRUE(escape(utf8(point)).starts_with("\\x")) << point;
  }
  for (const unsigned point : {0x200DU, 0x2010U, 0x202FU, 0x2065U, 0x206AU, 0xFEFEU}) {
    EXPECT_EQ(escape(utf8(point)), utf8(point)) << "a neighbour: " << point;
  }
}

TEST(Text, Broken_UTF8_is_escaped_byte_by_byte) {
  EXPECT_EQ(escape("\xff"), R"(\xff)");
  EXPECT_EQ(escape("a\x80z"), R"(a\x80z)");
  EXPECT_EQ(escape("\xc3"), R"(\xc3)") << "cut off";
  EXPECT_EQ(escape("\xe2\x82"), R"(\xe2\x82)") << "cut off";
  EXPECT_EQ(escape("\xc3("), R"(\xc3()") << "no continuation";
  EXPECT_EQ(escape("\xf4\x90\x80\x80"), R"(\xf4\x90\x80\x80)") << "above U+10FFFF";
}

TEST(Text, Overlong_forms_and_surrogates_are_not_UTF8) {
  EXPECT_EQ(escape("\xc0\xaf"), R"(\xc0\xaf)");
  EXPECT_EQ(escape("\xe0\x80\xaf"), R"(\xe0\x80\xaf)");
  EXPECT_EQ(escape("\xf0\x80\x80\xaf"), R"(\xf0\x80\x80\xaf)");
  EXPECT_EQ(escape("\xed\xa0\x80"), R"(\xed\xa0\x80)");
  EXPECT_EQ(escape("\xed\xbf\xbf"), R"(\xed\xbf\xbf)");
  EXPECT_EQ(escape("\xed\x9f\xbf\xee\x80\x80"), "\xed\x9f\xbf\xee\x80\x80") << "their neighbours";
}

TEST(Text, A_backslash_is_doubled_by_escape_and_left_alone_by_printable) {
  EXPECT_EQ(escape(R"(a\nb)"), R"(a\\nb)");
  EXPECT_EQ(printable(R"(a\nb)"), R"(a\nb)");
  EXPECT_EQ(printable("a\\n\x1b"), R"(a\n\x1b)");
}

TEST(Text, Unescape_knows_every_escape_in_either_case) {
  EXPECT_EQ(unescape(R"(\\ \n \t \r \x1b \xFf)"), "\\ \n \t \r \x1b \xff");
  EXPECT_EQ(unescape(R"(\x00)"), std::string(1, '\0'));
}

TEST(Text, Unescape_refuses_what_escape_never_writes) {
  for (const char* text :
       {R"(\)", R"(a\)", R"(\q)", R"(\x)", R"(\x1)", R"(\x1g)", R"(\xg1)", R"(\N)"}) {
    EXPECT_FALSE(unescape(text)) << text;
  }
}

TEST(Text, Any_bytes_come_back_from_their_escaped_form) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 40, '\0');
    // Half of the bytes come from a small set, so that escapes and UTF-8 sequences occur.
    constexpr std::string_view kFew = "\\nx41\xe2\x80\xae\xc2\x85\n\xf0\x9f";
    for (char& byte : bytes) {
      byte = random() % 2 == 0 ? kFew[random() % kFew.size()] : static_cast<char>(random());
    }
    const std::string escaped = escape(bytes);
    ASSERT_EQ(unescape(escaped), bytes);
    ASSERT_TRUE(is_harmless(escaped)) << escaped;
    ASSERT_EQ(printable(escaped), escaped);
    ASSERT_TRUE(is_harmless(printable(bytes))) << printable(bytes);
  }
}

TEST(Text, Shorten_leaves_alone_what_fits) {
  EXPECT_EQ(shorten("", 0), "");
  EXPECT_EQ(shorten("12345", 5), "12345");
}

TEST(Text, Shorten_says_that_it_cut) {
  EXPECT_EQ(shorten("123456", 5), "12...");
}

TEST(Text, Shorten_never_cuts_a_character_or_an_escape) {
  EXPECT_EQ(shorten("aé456", 5), "a...") << "é has two bytes";
  EXPECT_EQ(shorten("é3456", 5), "é...");
  EXPECT_EQ(shorten(R"(a\n45678)", 6), R"(a\n...)");
  EXPECT_EQ(shorten(R"(a\x1b6789)", 7), "a...");
  EXPECT_EQ(shorten(R"(a\x1b67890)", 8), R"(a\x1b...)");
  EXPECT_EQ(shorten(R"(a\\45678)", 5), "a...");
}

TEST(Text, Shortened_text_is_as_long_as_allowed_and_still_whole) {
  const std::string text = escape("aé锁🔒\n\x1b\\\u0085 and so on, for a while");
  for (std::size_t bytes = 0; bytes <= text.size(); ++bytes) {
    const std::string cut = shorten(text, bytes);
    EXPECT_LE(cut.size(), bytes);
    EXPECT_TRUE(is_harmless(cut)) << cut;
    EXPECT_TRUE(unescape(cut)) << cut;
  }
}

}  // namespace
}  // namespace locket::proto
