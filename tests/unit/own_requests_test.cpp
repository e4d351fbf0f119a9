#include "proto/own_requests.hpp"

#include <gtest/gtest.h>

#include <string>

#include "proto/codec.hpp"
#include "proto/limits.hpp"

namespace locket::proto {
namespace {

// Lines that begin like those in our own exact form, and continue in many ways.
TEST(OwnRequests, White_space_changes_nothing_of_what_is_read_or_refused) {
  const std::string long_path(kMaxEscapedPathBytes + 1, 'p');
  const std::string long_reason(kMaxReasonBytes + 1, 'r');
  const std::string head = R"({"jsonrpc":"2.0","id":1,"method":"acquire","params":{"path":")";
  const std::string some = head + R"(/a","mode":"exclusive")";
  for (const std::string& line : {
           some + "}}",
           head + R"(/a","mode":"shared"}})",
           head + R"(/a","mode":"shared","timeout":2.5,"reason":"to see"}})",
           head + R"(/a","mode":"quiet"}})",
           head + R"(/a"}})",
           head + R"(/\"a\"","mode":"exclusive"}})",
           head + "/\xFF\",\"mode\":\"exclusive\"}}",
           head + long_path + R"(","mode":"exclusive"}})",
           some + R"(,"timeout":0}})",
           some + R"(,"timeout":00}})",
           some + R"(,"timeout":1.}})",
           some + R"(,"timeout":.5}})",
           some + R"(,"timeout":1e3}})",
           some + R"(,"timeout":-1}})",
           some + R"(,"timeout":inf}})",
           some + R"(,"timeout":1000000001}})",
           some + R"(,"timeout":99999999999999999999999}})",
           some + R"(,"reason":")" + long_reason + R"("}})",
           some + R"(,"reason":"a","timeout":1}})",
           some + R"(,"reason":"a","reason":"a"}})",
           some + R"(,"parked":7}})",
           some + R"(,"reason":"a","parked":7}})",
           some + R"(,"parked":07}})",
           some + R"(,"parked":-7}})",
           some + R"(,"parked":null}})",
           some + R"(,"parked":)" + std::to_string(kMaxExactInteger + 1) + "}}",
           some + R"(},"id":2})",
           some + "}}x",
           some + "}",
           some,
           std::string(R"({"jsonrpc":"2.0","method":"release","params":{"token":7}})"),
           std::string(R"({"jsonrpc":"2.0","method":"release","params":{"token":7,"park":true}})"),
           std::string(R"({"jsonrpc":"2.0","method":"release","params":{"token":7,"park":false}})"),
           std::string(R"({"jsonrpc":"2.0","method":"release","params":{"token":7,"park":1}})"),
           std::string(R"({"jsonrpc":"2.0","id":1,"method":"release","params":{"token":7}})"),
           std::string(R"({"jsonrpc":"2.0","id":01,"method":"release","params":{"token":7}})"),
           std::string(R"({"jsonrpc":"2.0","id":-1,"method":"release","params":{"token":7}})"),
           std::string(R"({"jsonrpc":"2.0","id":1,"method":"release","params":{"token":07}})"),
           std::string(R"({"jsonrpc":"2.0","id":1,"method":"release","params":{"token":7.0}})"),
           R"({"jsonrpc":"2.0","id":)" + std::to_string(kMaxExactInteger + 1) +
               R"(,"method":"release","params":{"token":7}})",
           R"({"jsonrpc":"2.0","method":"release","params":{"token":)" +
               std::to_string(kMaxExactInteger + 1) + "}}",
       }) {
    const auto tight = decode_request(line);
    const auto loose = decode_request("{ " + line.substr(1));
    ASSERT_EQ(tight.has_value(), loose.has_value()) << line.substr(0, 200);
    if (tight) {
      EXPECT_EQ(encode(*tight), encode(*loose));
    } else {
      EXPECT_EQ(name_of(tight.error().error.code), name_of(loose.error().error.code));
      EXPECT_EQ(tight.error().id, loose.error().id);
      EXPECT_EQ(tight.error().claim, loose.error().claim);
    }
  }
}

}  // namespace
}  // namespace locket::proto
