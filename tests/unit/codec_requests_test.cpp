#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "proto/codec.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"

namespace locket::proto {
namespace {

// A request's line without its line feed.
std::string line_of(const Request& request) {
  std::string line = encode(request);
  EXPECT_TRUE(line.ends_with('\n'));
  line.pop_back();
  EXPECT_EQ(line.find('\n'), std::string::npos);
  return line;
}

// Encodes and decodes.
template <typename Kind>
Kind round_trip(const Kind& call) {
  const auto request = decode_request(line_of({.id = 7, .call = call}));
  EXPECT_TRUE(request) << request.error().error.message;
  if (!request) return {};
  EXPECT_EQ(request->id, 7U);
  EXPECT_TRUE(std::holds_alternative<Kind>(request->call));
  return std::get<Kind>(request->call);
}

Acquire acquire_with(std::string path, std::optional<Seconds> timeout = std::nullopt) {
  Acquire acquire;
  acquire.path = std::move(path);
  acquire.timeout = timeout;
  return acquire;
}

// A request with these parameters, as text.
std::string request(std::string_view method, std::string_view params) {
  return std::string(R"({"jsonrpc":"2.0","id":1,"method":")")
      .append(method)
      .append(R"(","params":{)")
      .append(params)
      .append("}}");
}

BadRequest bad(std::string_view line) {
  const auto decoded = decode_request(line);
  EXPECT_FALSE(decoded) << "accepted: " << line.substr(0, 200);
  return decoded ? BadRequest{} : decoded.error();
}

// Must be refused with this code and a message that contains `says`.
void expect_refused(std::string_view line, Errc code, std::string_view says) {
  const BadRequest refused = bad(line);
  EXPECT_EQ(name_of(refused.error.code), name_of(code)) << line.substr(0, 200);
  EXPECT_NE(refused.error.message.find(says), std::string::npos)
      << line.substr(0, 200) << "\n  says: " << refused.error.message;
}

std::optional<Seconds> timeout_of(std::string_view number) {
  const auto decoded = decode_request(request("acquire", "\"timeout\":" + std::string(number)));
  EXPECT_TRUE(decoded) << number;
  return decoded ? std::get<Acquire>(decoded->call).timeout : Seconds(-1);
}

// ---- Round trips ----

TEST(CodecRequests, Hello_comes_back) {
  const Hello hello = round_trip(Hello{.protocol = 1, .client = "liblocket 1", .command = "make"});
  EXPECT_EQ(hello.protocol, 1);
  EXPECT_EQ(hello.client, "liblocket 1");
  EXPECT_EQ(hello.command, "make");
}

TEST(CodecRequests, Acquire_comes_back) {
  const Acquire acquire = round_trip(Acquire{
      .path = "/tmp/\"a\" b", .mode = Mode::shared, .timeout = Seconds(2.5), .reason = "to see"});
  EXPECT_EQ(acquire.path, "/tmp/\"a\" b");
  EXPECT_EQ(acquire.mode, Mode::shared);
  EXPECT_EQ(acquire.timeout, Seconds(2.5));
  EXPECT_EQ(acquire.reason, "to see");
  EXPECT_EQ(acquire.parked, std::nullopt);
  EXPECT_EQ(round_trip(Acquire{.path = "/a", .timeout = {}, .reason = {}, .parked = 0}).parked, 0U);
}

TEST(CodecRequests, A_claim_comes_with_a_descriptor_unless_it_names_a_parked_file) {
  const auto is_claim = [](const std::string& method, const std::string& params) {
    const auto decoded = decode_request(request(method, params));
    return decoded ? takes_descriptor(decoded->call) : decoded.error().claim;
  };
  EXPECT_TRUE(is_claim("acquire", R"("path":"/a")"));
  EXPECT_TRUE(is_claim("acquire", R"("path":"/a","what":1)"));
  EXPECT_TRUE(is_claim("reclaim", R"("path":"/a")"));
  EXPECT_TRUE(is_claim("reclaim", R"("path":"/a","parked":1)"));
  EXPECT_FALSE(is_claim("acquire", R"("path":"/a","parked":1)"));
  EXPECT_FALSE(is_claim("acquire", R"("path":"/a","parked":"1")"));
  EXPECT_FALSE(is_claim("release", R"("token":1)"));
}

TEST(CodecRequests, Acquire_is_exclusive_and_waits_for_ever_unless_told_otherwise_C2_C3) {
  const auto decoded = decode_request(request("acquire", R"("path":"/a")"));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<Acquire>(decoded->call).mode, Mode::exclusive);
  EXPECT_EQ(std::get<Acquire>(decoded->call).timeout, std::nullopt);
}

TEST(CodecRequests, Timeouts_come_back_exactly_C3) {
  for (const double seconds : {0.0, -0.0, 1e-9, 0.1, 1.0, 30.0, 1234567.891, kMaxTimeoutSeconds}) {
    EXPECT_EQ(round_trip(acquire_with("/a", Seconds(seconds))).timeout, Seconds(seconds));
  }
  EXPECT_EQ(round_trip(acquire_with("/a")).timeout, std::nullopt);
}

TEST(CodecRequests, Release_unpark_cancel_detach_and_status_come_back) {
  EXPECT_EQ(round_trip(Release{.token = kMaxExactInteger}).token, kMaxExactInteger);
  EXPECT_FALSE(round_trip(Release{.token = 1}).park);
  EXPECT_TRUE(round_trip(Release{.token = 1, .park = true}).park);
  EXPECT_EQ(round_trip(Unpark{.token = kMaxExactInteger}).token, kMaxExactInteger);
  EXPECT_EQ(round_trip(Cancel{.request = 12}).request, 12U);
  EXPECT_EQ(round_trip(Detach{.command = "sleep"}).command, "sleep");
  round_trip(Status{});
}

TEST(CodecRequests, List_comes_back) {
  const FileId file{.device = UINT64_MAX, .inode = 3};
  const List list = round_trip(List{.file = file, .after = {.lock = 4, .ticket = 5}});
  EXPECT_EQ(list.file, file);
  EXPECT_EQ(list.after.lock, 4U);
  EXPECT_EQ(list.after.ticket, 5U);
  EXPECT_EQ(round_trip(List{}).file, std::nullopt);
}

TEST(CodecRequests, A_notification_has_no_id) {
  const auto decoded = decode_request(line_of({.id = std::nullopt, .call = Release{.token = 1}}));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->id, std::nullopt);
}

TEST(CodecRequests, Methods_go_by_their_names) {
  EXPECT_EQ(method_of(Hello{}), "hello");
  EXPECT_EQ(method_of(Acquire{}), "acquire");
  EXPECT_EQ(method_of(Release{}), "release");
  EXPECT_EQ(method_of(Unpark{}), "unpark");
  EXPECT_EQ(method_of(Cancel{}), "cancel");
  EXPECT_EQ(method_of(Detach{}), "detach");
  EXPECT_EQ(method_of(List{}), "list");
  EXPECT_EQ(method_of(Status{}), "status");
}

TEST(CodecRequests, Any_bytes_of_a_path_come_back_once_they_are_escaped) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(unescape(round_trip(acquire_with(escape(bytes))).path).value(), bytes);
}

TEST(CodecRequests, The_longest_path_fits_into_a_line_however_it_is_escaped) {
  const std::string path = escape(std::string(kMaxPathBytes - 1, '\x1b'));
  EXPECT_LT(line_of({.id = kMaxExactInteger, .call = acquire_with(path)}).size(), kMaxLineBytes);
  EXPECT_EQ(round_trip(acquire_with(path)).path, path);
}

TEST(CodecRequests, Members_may_come_in_any_order_with_space_between_them) {
  const auto decoded = decode_request(
      " { \"params\" : { \"token\" : 5 } , \"method\":\"release\",\t\"jsonrpc\":\"2.0\" } ");
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<Release>(decoded->call).token, 5U);
}

TEST(CodecRequests, Params_may_be_missing_where_none_are_needed) {
  EXPECT_TRUE(decode_request(R"({"jsonrpc":"2.0","id":0,"method":"status"})"));
}

// ---- What text may carry ----

TEST(CodecRequests, Control_characters_in_text_come_out_escaped) {
  const auto decoded =
      decode_request(request("acquire", R"("path":"/\u001b[31m\n\u202e","reason":"\u0000\u009b")"));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<Acquire>(decoded->call).path, R"(/\x1b[31m\n\xe2\x80\xae)");
  EXPECT_EQ(std::get<Acquire>(decoded->call).reason, R"(\x00\xc2\x9b)");
}

TEST(CodecRequests, Text_that_is_escaped_already_stays_as_it_is) {
  const auto decoded = decode_request(request("acquire", R"("path":"/a\\n\\\\ \"锁\"")"));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<Acquire>(decoded->call).path, R"(/a\n\\ "锁")");
}

TEST(CodecRequests, Text_longer_than_its_bound_is_refused_and_the_bound_named) {
  const auto reason = [](std::size_t bytes) {
    return request("acquire", "\"reason\":\"" + std::string(bytes, 'a') + '"');
  };
  EXPECT_TRUE(decode_request(reason(kMaxReasonBytes)));
  expect_refused(reason(kMaxReasonBytes + 1), Errc::invalid_params,
                 "\"reason\" is longer than 1024 bytes");
}

// ---- What is not a request ----

TEST(CodecRequests, Malformed_JSON_is_a_parse_error) {
  for (const char* line :
       {"", " ", "{", "}", "{\"a\"}", "nonsense", "{\"id\":1,}", "{'id':1}", "{\"id\":01}",
        "{\"jsonrpc\":\"2.0\"", "{} {}", "\"unterminated", "{\"a\":tru}", "\x01\x02\xff"}) {
    EXPECT_EQ(bad(line).error.code, Errc::parse_error) << line;
  }
}

TEST(CodecRequests, Malformed_strings_are_parse_errors) {
  for (const char* text : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "a\tb", "\\q", "\\ud800", "\\u12"}) {
    EXPECT_EQ(bad(request("acquire", std::string("\"path\":\"") + text + '"')).error.code,
              Errc::parse_error)
        << escape(text);
  }
}

TEST(CodecRequests, A_NUL_byte_is_a_parse_error) {
  std::string line = request("status", "");
  line[3] = '\0';
  EXPECT_EQ(bad(line).error.code, Errc::parse_error);
}

TEST(CodecRequests, A_request_is_an_object) {
  for (const char* line : {"1", "null", "true", "\"text\"", "-1.5"}) {
    expect_refused(line, Errc::invalid_request, "a request is a JSON object");
  }
}

TEST(CodecRequests, Batches_are_refused) {
  expect_refused("[]", Errc::invalid_request, "batches are not supported");
  expect_refused("[" + request("status", "") + "]", Errc::invalid_request, "batches");
}

TEST(CodecRequests, Deep_nesting_is_refused_and_does_not_recurse) {
  constexpr int kDepth = 100'000;
  const auto nested = [](std::string_view part) {
    std::string line;
    for (int i = 0; i < kDepth; ++i) line += part;
    return line;
  };
  expect_refused(nested("["), Errc::invalid_request, "batches");
  expect_refused(nested("{\"params\":"), Errc::invalid_request, "nested too deeply");
  expect_refused("{\"id\":" + nested("["), Errc::invalid_request, "no arrays");
  expect_refused(request("acquire", "\"path\":" + nested("{\"a\":")), Errc::invalid_request,
                 "nested too deeply");
}

TEST(CodecRequests, Only_params_may_be_an_object_and_nothing_an_array) {
  expect_refused(R"({"id":{}})", Errc::invalid_request, "only \"params\" may be an object");
  expect_refused(R"({"jsonrpc":"2.0","method":"status","":{}})", Errc::invalid_request,
                 "only \"params\" may be an object");
  expect_refused(R"({"params":[1]})", Errc::invalid_request, "parameters go by name");
  expect_refused(request("acquire", R"("path":["/a"])"), Errc::invalid_request, "no arrays");
}

TEST(CodecRequests, Members_that_are_missing_or_of_the_wrong_type_are_named) {
  expect_refused("{}", Errc::invalid_request, "\"jsonrpc\" must be \"2.0\"");
  expect_refused(R"({"jsonrpc":"1.0","method":"status"})", Errc::invalid_request, "\"jsonrpc\"");
  expect_refused(R"({"jsonrpc":2.0,"method":"status"})", Errc::invalid_request, "\"jsonrpc\"");
  expect_refused(R"({"jsonrpc":"2.0"})", Errc::invalid_request, "\"method\" must be a string");
  expect_refused(R"({"jsonrpc":"2.0","method":7})", Errc::invalid_request, "\"method\"");
  expect_refused(R"({"jsonrpc":"2.0","method":"status","params":null})", Errc::invalid_request,
                 "\"params\" must be an object");
}

TEST(CodecRequests, A_member_given_twice_is_refused) {
  expect_refused(R"({"jsonrpc":"2.0","id":1,"id":2,"method":"status"})", Errc::invalid_request,
                 "\"id\" is given twice");
  expect_refused(R"({"method":"status","method":"release"})", Errc::invalid_request,
                 "\"method\" is given twice");
  expect_refused(request("acquire", R"("path":"/a","path":"/b")"), Errc::invalid_request,
                 "\"path\" is given twice");
}

TEST(CodecRequests, Params_given_twice_are_refused_and_not_merged) {
  for (const char* other : {R"({"mode":"shared"})", "{}", "null", "1"}) {
    const std::string line =
        R"({"jsonrpc":"2.0","method":"acquire","params":{"path":"/a"},"params":)";
    expect_refused(line + other + "}", Errc::invalid_request, "\"params\" is given twice");
  }
  expect_refused(R"({"params":1,"params":{}})", Errc::invalid_request, "\"params\" is given twice");
}

TEST(CodecRequests, An_unknown_method_is_named_and_escaped) {
  expect_refused(request("steal", ""), Errc::unknown_method, "unknown method \"steal\"");
  expect_refused(request("", ""), Errc::unknown_method, "unknown method \"\"");
  expect_refused(request("a\\u001b[31m", ""), Errc::unknown_method, "\"a\\x1b[31m\"");
  EXPECT_LT(bad(request(std::string(10'000, 'a'), "")).error.message.size(), 100U);
}

TEST(CodecRequests, An_unknown_parameter_is_named_and_escaped) {
  expect_refused(request("acquire", R"("timout":1)"), Errc::invalid_params,
                 "unknown parameter \"timout\"");
  expect_refused(request("status", R"("path":"/a")"), Errc::invalid_params, "\"path\"");
  expect_refused(request("release", R"("token":1,"\u001b":1)"), Errc::invalid_params, "\"\\x1b\"");
}

// ---- Ids ----

TEST(CodecRequests, An_id_is_a_whole_number_that_every_reader_keeps_exact) {
  for (const char* id : {"-1", "1.5", "1.0", "1e3", "\"1\"", "null", "true", "9007199254740992",
                         "18446744073709551615", "18446744073709551616", "1e300"}) {
    const std::string line =
        R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":"status"})";
    expect_refused(line, Errc::invalid_request, "\"id\" must be a whole number");
    EXPECT_EQ(bad(line).id, std::nullopt) << id;
  }
  EXPECT_TRUE(decode_request(R"({"jsonrpc":"2.0","id":9007199254740991,"method":"status"})"));
}

TEST(CodecRequests, A_refusal_carries_the_id_where_one_could_be_read) {
  EXPECT_EQ(bad(R"({"jsonrpc":"2.0","id":5,"method":"steal"})").id, 5U);
  EXPECT_EQ(bad(R"({"jsonrpc":"2.0","id":5,"method":)").id, 5U);
  EXPECT_EQ(bad(R"({"jsonrpc":"2.0","method":"steal"})").id, std::nullopt);
  EXPECT_EQ(bad("nonsense").id, std::nullopt);
}

TEST(CodecRequests, A_refusal_tells_whether_it_was_an_acquire) {
  EXPECT_TRUE(bad(request("acquire", R"("timeout":-1)")).claim);
  EXPECT_FALSE(bad(request("release", R"("token":-1)")).claim);
  EXPECT_FALSE(bad("nonsense").claim);
}

// ---- Parameters ----

TEST(CodecRequests, Timeouts_that_mean_something_are_accepted_C3) {
  EXPECT_EQ(timeout_of("null"), std::nullopt);
  EXPECT_EQ(timeout_of("0"), Seconds(0));
  EXPECT_EQ(timeout_of("-0"), Seconds(0)) << "what a computed timeout may well come to";
  EXPECT_EQ(timeout_of("-0.0"), Seconds(0));
  EXPECT_FALSE(std::signbit(timeout_of("-0.0")->count())) << "said again, it would be another text";
  EXPECT_EQ(timeout_of("0.25"), Seconds(0.25));
  EXPECT_EQ(timeout_of("1e9"), Seconds(1e9));
  EXPECT_EQ(timeout_of("1000000000"), Seconds(1e9));
}

TEST(CodecRequests, Absurd_timeouts_are_refused_C3) {
  for (const char* timeout : {"-1", "-0.5", "-1e300", "1e300", "1000000001", "1e10",
                              "18446744073709551615", "\"abc\"", "\"1\"", "true"}) {
    expect_refused(request("acquire", "\"timeout\":" + std::string(timeout)), Errc::invalid_params,
                   "\"timeout\" must be a number of seconds from 0 to 1000000000, or null");
  }
}

TEST(CodecRequests, Timeouts_that_are_not_JSON_are_parse_errors_C3) {
  for (const char* timeout : {"NaN", "nan", "Infinity", "-Infinity", "inf", "1e400", "+1", ".5"}) {
    EXPECT_EQ(bad(request("acquire", "\"timeout\":" + std::string(timeout))).error.code,
              Errc::parse_error)
        << timeout;
  }
}

TEST(CodecRequests, A_mode_is_exclusive_or_shared) {
  for (const char* mode : {"\"Shared\"", "\"\"", "\"read\"", "null", "1"}) {
    expect_refused(request("acquire", "\"mode\":" + std::string(mode)), Errc::invalid_params,
                   "\"mode\" must be \"exclusive\" or \"shared\"");
  }
}

TEST(CodecRequests, Texts_must_be_strings) {
  for (const char* value : {"1", "null", "true", "1.5"}) {
    expect_refused(request("acquire", "\"path\":" + std::string(value)), Errc::invalid_params,
                   "\"path\" must be a string");
  }
}

TEST(CodecRequests, Required_numbers_that_are_missing_are_named) {
  expect_refused(request("release", ""), Errc::invalid_params, "\"token\" is missing");
  expect_refused(request("cancel", ""), Errc::invalid_params, "\"id\" is missing");
  expect_refused(request("hello", ""), Errc::invalid_params, "\"protocol\" is missing");
}

TEST(CodecRequests, Numbers_of_the_wrong_kind_are_refused_with_their_bounds) {
  for (const char* token : {"-1", "1.5", "\"1\"", "null", "9007199254740992", "1e300"}) {
    expect_refused(request("release", "\"token\":" + std::string(token)), Errc::invalid_params,
                   "\"token\" must be a whole number from 0 to 9007199254740991");
  }
}

TEST(CodecRequests, Half_of_a_files_identity_is_refused_and_does_not_list_all) {
  expect_refused(request("list", R"("device":1)"), Errc::invalid_params, "\"inode\" is missing");
  expect_refused(request("list", R"("inode":1)"), Errc::invalid_params, "\"device\" is missing");
}

}  // namespace
}  // namespace locket::proto
