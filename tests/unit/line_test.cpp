#include "proto/line.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace locket::proto {
namespace {

TEST(Line, Has_what_was_appended_wherever_it_outgrows_its_own_room) {
  constexpr std::size_t kFarBeyond = 600;
  constexpr std::uint64_t kLongest = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t length = 0; length <= kFarBeyond; ++length) {
    const std::string text(length, 'x');
    Line line;
    line += text;
    line += "";
    line.append_number(kLongest);
    line += "and";
    line.append_number(0);
    ASSERT_EQ(line.view(), text + std::to_string(kLongest) + "and0");
  }
}

TEST(Line, Quotes_and_backslashes_are_escaped_between_quotes) {
  Line line;
  line.append_quoted("");
  line.append_quoted("plain");
  line.append_quoted(R"("a" \ b\)");
  EXPECT_EQ(line.view(), R"("""plain""\"a\" \\ b\\")");
}

TEST(Line, An_empty_one_is_empty) {
  EXPECT_EQ(Line().view(), "");
}

}  // namespace
}  // namespace locket::proto
