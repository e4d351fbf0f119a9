#include "proto/option_text.hpp"

#include <gtest/gtest.h>

namespace locket::proto {
namespace {

const std::vector<std::string> kNames{"socket", "log-level", "max-held-per-user",
                                      "max-waiting-per-user"};

TEST(OptionText, Finds_the_name_that_was_meant) {
  EXPECT_EQ(nearest("sokcet", kNames), "socket");
  EXPECT_EQ(nearest("socket", kNames), "socket");
  EXPECT_EQ(nearest("LOG_LEVEL", kNames), "log-level");
  EXPECT_EQ(nearest("--loglevel", kNames), "log-level");
  EXPECT_EQ(nearest("log-levels", kNames), "log-level");
  EXPECT_EQ(nearest("max-held", kNames), "max-held-per-user");
  EXPECT_EQ(nearest("waiting", kNames), "max-waiting-per-user");
  EXPECT_EQ(nearest("max-wating-per-user", kNames), "max-waiting-per-user");
}

TEST(OptionText, Suggests_nothing_that_nobody_meant) {
  for (const std::string& word : {std::string("frob"), std::string(""), std::string("-Q"),
                                  std::string("--"), std::string("so"), std::string(5000, 's')}) {
    EXPECT_EQ(nearest(word, kNames), std::nullopt) << word.substr(0, 20);
  }
  const std::vector<std::string> letters{"-n", "-s"};
  EXPECT_EQ(nearest("-Q", letters), std::nullopt);
  EXPECT_EQ(nearest("socket", {}), std::nullopt);
}

TEST(OptionText, Takes_the_nearest_of_several) {
  const std::vector<std::string> names{"stats", "status", "start"};
  EXPECT_EQ(nearest("statuss", names), "status");
  EXPECT_EQ(nearest("strat", names), "start");
  EXPECT_EQ(nearest("stats", names), "stats");
}

TEST(OptionText, Asks_or_says_something_else) {
  EXPECT_EQ(did_you_mean("sokcet", kNames, "!"), " (did you mean socket?)");
  EXPECT_EQ(did_you_mean("frob", kNames, "!"), "!");
}

TEST(OptionText, A_whole_number_is_decimal_digits_alone) {
  EXPECT_EQ(whole_number("0", 0, 255), 0U);
  EXPECT_EQ(whole_number("255", 0, 255), 255U);
  EXPECT_EQ(whole_number("18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
  for (const char* text : {"", "256", "-1", "+1", "010", "0x1f", " 1", "1 ", "1.0", "1e2", "many",
                           "18446744073709551616"}) {
    EXPECT_FALSE(whole_number(text, 0, 255)) << text;
  }
  EXPECT_EQ(whole_number("a\nb", 1, 9).error(), R"( takes a whole number from 1 to 9, not "a\nb")");
}

}  // namespace
}  // namespace locket::proto
