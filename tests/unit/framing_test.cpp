#include "proto/framing.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace locket::proto {
namespace {

using Lines = std::vector<std::string>;

// All complete lines that are there now.
Lines lines_of(LineBuffer& buffer) {
  Lines lines;
  for (auto line = buffer.next(); line && *line; line = buffer.next()) lines.emplace_back(**line);
  return lines;
}

TEST(Framing, Lines_come_without_their_line_feed) {
  LineBuffer buffer(100);
  buffer.append("one\ntwo\n");
  EXPECT_EQ(lines_of(buffer), (Lines{"one", "two"}));
}

TEST(Framing, A_carriage_return_before_the_line_feed_is_dropped_and_only_there) {
  LineBuffer buffer(100);
  buffer.append("one\r\nt\rwo\r\r\n\r\n");
  EXPECT_EQ(lines_of(buffer), (Lines{"one", "t\rwo\r", ""}));
}

TEST(Framing, Empty_lines_are_lines) {
  LineBuffer buffer(100);
  buffer.append("\n\n");
  EXPECT_EQ(lines_of(buffer), (Lines{"", ""}));
}

TEST(Framing, Nothing_comes_before_a_line_is_whole) {
  LineBuffer buffer(100);
  EXPECT_FALSE(buffer.partial());
  buffer.append("on");
  EXPECT_EQ(lines_of(buffer), Lines{});
  EXPECT_TRUE(buffer.partial());
  buffer.append("e\nt");
  EXPECT_EQ(lines_of(buffer), Lines{"one"});
  EXPECT_TRUE(buffer.partial());
  buffer.append("wo\n");
  EXPECT_EQ(lines_of(buffer), Lines{"two"});
  EXPECT_FALSE(buffer.partial());
}

TEST(Framing, Lines_are_the_same_wherever_the_stream_is_split) {
  const std::string stream("one\r\n\ntwo \0 bytes\nthree\n", 24);
  const Lines expected{"one", "", std::string("two \0 bytes", 11), "three"};
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      LineBuffer buffer(100);
      Lines lines;
      for (const auto& part :
           {stream.substr(0, first), stream.substr(first, second - first), stream.substr(second)}) {
        buffer.append(part);
        const Lines more = lines_of(buffer);
        lines.insert(lines.end(), more.begin(), more.end());
      }
      ASSERT_EQ(lines, expected) << "split at " << first << " and " << second;
    }
  }
}

TEST(Framing, Lines_may_be_taken_one_by_one_between_appends) {
  LineBuffer buffer(100);
  Lines lines;
  for (int i = 0; i < 100; ++i) {
    buffer.append("first\nsecond\nthi");
    lines.emplace_back(*buffer.next().value());
    buffer.append("rd\n");
    lines.emplace_back(*buffer.next().value());
    lines.emplace_back(*buffer.next().value());
  }
  for (std::size_t i = 0; i < lines.size(); i += 3) {
    EXPECT_EQ(lines[i], "first");
    EXPECT_EQ(lines[i + 1], "second");
    EXPECT_EQ(lines[i + 2], "third");
  }
}

TEST(Framing, A_line_may_be_as_long_as_the_limit_and_no_longer) {
  LineBuffer buffer(5);
  buffer.append("12345\n");
  EXPECT_EQ(lines_of(buffer), Lines{"12345"});
  buffer.append("123456\n");
  const auto line = buffer.next();
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().code, Errc::parse_error);
  EXPECT_EQ(line.error().message, "the line is longer than 5 bytes");
}

TEST(Framing, A_line_that_is_put_back_comes_again) {
  LineBuffer buffer(10);
  buffer.append("one\ntwo\nthr");
  buffer.next().value();
  EXPECT_EQ(*buffer.next().value(), "two");
  buffer.put_back();
  buffer.reserve(100);
  EXPECT_EQ(*buffer.next().value(), "two");
  EXPECT_FALSE(buffer.next().value());
  buffer.append("ee\n");
  EXPECT_EQ(*buffer.next().value(), "three");
}

TEST(Framing, A_line_that_is_too_long_is_refused_before_its_end_has_come) {
  LineBuffer buffer(5);
  buffer.append("12345");
  EXPECT_TRUE(buffer.next());
  buffer.append("6");
  EXPECT_FALSE(buffer.next());
}

TEST(Framing, Lines_before_one_that_is_too_long_still_come) {
  LineBuffer buffer(5);
  buffer.append("one\ntwo\n1234567");
  EXPECT_EQ(*buffer.next().value(), "one");
  EXPECT_EQ(*buffer.next().value(), "two");
  EXPECT_FALSE(buffer.next());
}

}  // namespace
}  // namespace locket::proto
