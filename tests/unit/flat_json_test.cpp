#include "proto/flat_json.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "proto/request_json.hpp"

namespace locket::proto {
namespace {

bool is_read(std::string_view text) {
  FlatObject object;
  return read_flat(text, object);
}

constexpr std::string_view kRead[] = {
    "{}",
    " \t\r\n{ \"a\" : 1 , \"b\" : \"two\" } ",
    R"({"jsonrpc":"2.0","id":7,"method":"acquire","params":{"path":"/tmp/a b","timeout":0.25}})",
    R"({"params":{},"id":18446744073709551615})",
    R"({"a":0,"b":true,"c":false,"d":null,"e":"","f":0.0,"g":123.4560})",
    R"({"a":" !#[]^~","params":{"a":1,"params":2}})",
    R"({"":""})",
};

TEST(FlatJson, What_it_reads_the_thorough_reader_reads_the_same) {
  for (const auto text : kRead) {
    FlatObject object;
    ASSERT_TRUE(read_flat(text, object)) << text;
    FlatObject other;
    RequestJson thorough;
    ASSERT_TRUE(thorough.read(text, other)) << text;
    EXPECT_EQ(object, other) << text;
  }
}

TEST(FlatJson, Members_come_in_their_order_and_with_their_values) {
  FlatObject object;
  ASSERT_TRUE(read_flat(R"({"x":"text","y":{"n":12,"f":1.5},"z":null})", object));
  ASSERT_EQ(object.members.all().size(), 2U);
  EXPECT_EQ(object.members.all()[0], (FlatField{"x", std::string_view("text")}));
  EXPECT_EQ(object.members.all()[1], (FlatField{"z", nullptr}));
  EXPECT_EQ(object.inner_name, "y");
  ASSERT_EQ(object.inner.all().size(), 2U);
  EXPECT_EQ(object.inner.all()[0], (FlatField{"n", std::uint64_t{12}}));
  EXPECT_EQ(object.inner.all()[1], (FlatField{"f", 1.5}));
}

TEST(FlatJson, What_is_no_JSON_is_not_read) {
  for (const std::string_view text : {"",
                                      "{",
                                      "}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{\"a\":1}}",
                                      "{\"a\":1}x",
                                      "{\"a\":01}",
                                      "{\"a\":1.}",
                                      "{\"a\":.5}",
                                      "{\"a\":+1}",
                                      "{\"a\":1x}",
                                      "{\"a\":nul}",
                                      "{\"a\":nulll}",
                                      "{\"a\":True}",
                                      "{\"a\":\"b}",
                                      "{\"a\":\"b\nc\"}",
                                      "{a:1}",
                                      "{\"a\" 1}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":1}{}",
                                      "{\"a\":1;\"b\":2}"}) {
    EXPECT_FALSE(is_read(text)) << text;
  }
  EXPECT_FALSE(is_read(std::string_view("{}\0", 3)));
}

TEST(FlatJson, What_is_unusual_is_left_to_the_thorough_reader) {
  for (const std::string_view text :
       {"1", "[]", "{\"a\":[]}", "{\"a\":-1}", "{\"a\":1e3}", "{\"a\":1.5e3}",
        "{\"a\":18446744073709551616}", "{\"a\":\"\\n\"}", "{\"a\":\"\\u0041\"}", "{\"\\u0041\":1}",
        "{\"a\":\"\x7f\"}", "{\"a\":\"\xc3\xa9\"}", "\xef\xbb\xbf{}", "{\"a\":{\"b\":{}}}",
        "{\"a\":{},\"b\":{}}"}) {
    EXPECT_FALSE(is_read(text)) << text;
  }
}

TEST(FlatJson, A_name_that_comes_twice_is_left_to_the_thorough_reader) {
  for (const std::string_view text : {"{\"a\":1,\"a\":1}", "{\"p\":{\"a\":1,\"a\":1}}",
                                      "{\"p\":{},\"p\":1}", "{\"p\":1,\"p\":{}}"}) {
    EXPECT_FALSE(is_read(text)) << text;
  }
}

TEST(FlatJson, More_members_than_there_is_room_for_are_left_to_the_thorough_reader) {
  std::string text = "{\"a0\":0";
  for (std::size_t i = 1; i < kMaxMembers; ++i) text += ",\"a" + std::to_string(i) + "\":0";
  EXPECT_TRUE(is_read(text + "}"));
  EXPECT_FALSE(is_read(text + ",\"b\":0}"));
}

}  // namespace
}  // namespace locket::proto
