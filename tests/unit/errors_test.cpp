#include "proto/errors.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string_view>
#include <vector>

namespace locket::proto {
namespace {

std::vector<Errc> all_codes() {
  std::vector<Errc> codes;
  for (int code = 0; code <= static_cast<int>(Errc::file_error); ++code) {
    codes.push_back(static_cast<Errc>(code));
  }
  return codes;
}

// The others arise only in the client.
bool travels(Errc code) {
  return code < Errc::no_daemon;
}

TEST(Errors, Names_are_unique) {
  std::set<std::string_view> names;
  for (const Errc code : all_codes()) EXPECT_TRUE(names.insert(name_of(code)).second);
  EXPECT_FALSE(names.contains(""));
}

TEST(Errors, A_name_is_the_one_that_programs_know) {
  EXPECT_EQ(name_of(Errc::timed_out), "timed_out");
  EXPECT_EQ(name_of(Errc::not_held), "not_held");
  EXPECT_EQ(name_of(Errc::no_daemon), "no_daemon");
}

TEST(Errors, What_travels_comes_back_from_its_number) {
  std::set<int> numbers;
  for (const Errc code : all_codes()) {
    if (!travels(code)) continue;
    EXPECT_EQ(from_wire_code(wire_code(code)), code) << name_of(code);
    EXPECT_TRUE(numbers.insert(wire_code(code)).second) << name_of(code);
  }
}

TEST(Errors, Numbers_are_those_that_JSON_RPC_reserves_or_leaves_to_servers) {
  EXPECT_EQ(wire_code(Errc::parse_error), -32700);
  EXPECT_EQ(wire_code(Errc::invalid_request), -32600);
  EXPECT_EQ(wire_code(Errc::unknown_method), -32601);
  EXPECT_EQ(wire_code(Errc::invalid_params), -32602);
  EXPECT_EQ(wire_code(Errc::internal_error), -32603);
  for (const Errc code : all_codes()) {
    if (!travels(code) || code <= Errc::internal_error) continue;
    EXPECT_GE(wire_code(code), -32099) << name_of(code);
    EXPECT_LE(wire_code(code), -32000) << name_of(code);
  }
}

TEST(Errors, What_never_travels_has_the_number_of_an_internal_error) {
  for (const Errc code : all_codes()) {
    if (travels(code)) continue;
    EXPECT_EQ(wire_code(code), wire_code(Errc::internal_error)) << name_of(code);
  }
}

TEST(Errors, An_unknown_number_is_no_code) {
  for (const int number : {0, 1, -1, -32099, -32768}) EXPECT_FALSE(from_wire_code(number));
}

}  // namespace
}  // namespace locket::proto
