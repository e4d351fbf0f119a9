#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "proto/codec.hpp"
#include "proto/limits.hpp"

namespace locket::proto {
namespace {

// A reply's line without its line feed.
std::string line_of(const Reply& reply) {
  std::string line = encode(reply);
  EXPECT_TRUE(line.ends_with('\n'));
  line.pop_back();
  EXPECT_EQ(line.find('\n'), std::string::npos);
  return line;
}

// Encodes and decodes.
template <typename Kind>
Kind round_trip(Kind answer) {
  const auto reply = decode_reply(line_of({.id = 7, .answer = std::move(answer)}));
  EXPECT_TRUE(reply) << reply.error().message;
  if (!reply) return {};
  EXPECT_EQ(reply->id, 7U);
  EXPECT_TRUE(std::holds_alternative<Kind>(reply->answer));
  return std::get<Kind>(reply->answer);
}

Row holder() {
  Row row;
  row.lock = 1;
  row.ticket = 2;
  row.path = "/tmp/\"a\" \\\\ 锁";
  row.file = {.device = UINT64_MAX, .inode = 3};
  row.mode = Mode::shared;
  row.pid = 4;
  row.uid = 4294967295U;
  row.command = "make";
  row.reason = "to see";
  row.since = 1748736000.125;
  row.age = 0.001;
  row.token = kMaxExactInteger;
  return row;
}

Row waiter() {
  Row row;
  row.ticket = 5;
  row.state = Row::State::waiting;
  row.external = true;
  row.timeout = 2.5;
  return row;
}

void expect_same(const Row& got, const Row& wanted) {
  EXPECT_EQ(got.lock, wanted.lock);
  EXPECT_EQ(got.ticket, wanted.ticket);
  EXPECT_EQ(got.path, wanted.path);
  EXPECT_EQ(got.file, wanted.file);
  EXPECT_EQ(got.state, wanted.state);
  EXPECT_EQ(got.mode, wanted.mode);
  EXPECT_EQ(got.external, wanted.external);
  EXPECT_EQ(got.pid, wanted.pid);
  EXPECT_EQ(got.uid, wanted.uid);
  EXPECT_EQ(got.command, wanted.command);
  EXPECT_EQ(got.reason, wanted.reason);
  EXPECT_EQ(got.since, wanted.since);
  EXPECT_EQ(got.age, wanted.age);
  EXPECT_EQ(got.token, wanted.token);
  EXPECT_EQ(got.timeout, wanted.timeout);
}

// ---- Round trips ----

TEST(CodecReplies, Done_and_grant_come_back) {
  round_trip(Done{});
  EXPECT_EQ(round_trip(Grant{.token = kMaxExactInteger}).token, kMaxExactInteger);
}

TEST(CodecReplies, A_grant_is_the_same_with_and_without_an_id) {
  EXPECT_EQ(line_of({.id = 3, .answer = Grant{.token = 9}}),
            R"({"jsonrpc":"2.0","id":3,"result":{"token":9}})");
  EXPECT_EQ(line_of({.id = std::nullopt, .answer = Grant{.token = 9}}),
            R"({"jsonrpc":"2.0","id":null,"result":{"token":9}})");
}

TEST(CodecReplies, White_space_changes_nothing_of_a_grant) {
  for (const std::string line : {
           R"({"jsonrpc":"2.0","id":1,"result":{"token":7}})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":18446744073709551615}})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":18446744073709551616}})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":07}})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":-7}})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":7.5}})",
           R"({"jsonrpc":"2.0","id":01,"result":{"token":7}})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":7},"more":1})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":7,"more":1}})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":7}}x)",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":7})",
           R"({"jsonrpc":"2.0","id":1,"result":{"token":}})",
       }) {
    const auto tight = decode_reply(line);
    const auto loose = decode_reply("{ " + line.substr(1));
    ASSERT_EQ(tight.has_value(), loose.has_value()) << line;
    if (!tight) continue;
    EXPECT_EQ(encode(*tight), encode(*loose));
  }
}

TEST(CodecReplies, Welcome_comes_back) {
  const auto welcome = round_trip(Welcome{.protocol = 1, .server = "locketd 1", .pid = 42});
  EXPECT_EQ(welcome.protocol, 1);
  EXPECT_EQ(welcome.server, "locketd 1");
  EXPECT_EQ(welcome.pid, 42);
  EXPECT_EQ(welcome.parking, 0U);
  const Welcome parks{.protocol = 1, .server = "locketd 1", .pid = 42, .parking = 64};
  EXPECT_EQ(round_trip(parks).parking, 64U);
}

TEST(CodecReplies, Status_comes_back) {
  const auto status = round_trip(StatusReport{.version = "1",
                                              .socket = "/run/s",
                                              .pid = 42,
                                              .uptime = 1.5,
                                              .sessions = 2,
                                              .locks = 3,
                                              .holders = 4,
                                              .waiters = 5,
                                              .grants = 6,
                                              .user = {.sessions = {7, 70},
                                                       .held = {8, 80},
                                                       .waiting = {9, 90},
                                                       .text = {11, 110},
                                                       .descriptors = {10, 100}}});
  EXPECT_EQ(status.version, "1");
  EXPECT_EQ(status.socket, "/run/s");
  EXPECT_EQ(status.pid, 42);
  EXPECT_EQ(status.uptime, 1.5);
  EXPECT_EQ(status.sessions, 2U);
  EXPECT_EQ(status.locks, 3U);
  EXPECT_EQ(status.holders, 4U);
  EXPECT_EQ(status.waiters, 5U);
  EXPECT_EQ(status.grants, 6U);
  EXPECT_EQ(status.user.sessions.has, 7U);
  EXPECT_EQ(status.user.sessions.limit, 70U);
  EXPECT_EQ(status.user.held.has, 8U);
  EXPECT_EQ(status.user.waiting.limit, 90U);
  EXPECT_EQ(status.user.text.has, 11U);
  EXPECT_EQ(status.user.text.limit, 110U);
  EXPECT_EQ(status.user.descriptors.has, 10U);
  EXPECT_EQ(status.user.descriptors.limit, 100U);
}

TEST(CodecReplies, A_status_of_an_older_daemon_tells_no_limits) {
  const auto reply = decode_reply(R"({"jsonrpc":"2.0","id":1,"result":{"uptime":1.5}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(std::get<StatusReport>(reply->answer).user.sessions.limit, 0U);
  EXPECT_FALSE(decode_reply(R"({"jsonrpc":"2.0","id":1,"result":{"uptime":1.5,"user":7}})"));
}

TEST(CodecReplies, A_page_comes_back) {
  const auto page = round_trip(
      Page{.rows = {holder(), waiter()}, .next = Cursor{.lock = 8, .ticket = 9, .waiting = true}});
  ASSERT_EQ(page.rows.size(), 2U);
  expect_same(page.rows[0], holder());
  expect_same(page.rows[1], waiter());
  ASSERT_TRUE(page.next);
  EXPECT_EQ(page.next->lock, 8U);
  EXPECT_EQ(page.next->ticket, 9U);
}

TEST(CodecReplies, The_last_page_has_no_next_one) {
  const auto page = round_trip(Page{});
  EXPECT_TRUE(page.rows.empty());
  EXPECT_FALSE(page.next);
}

TEST(CodecReplies, One_who_waits_for_ever_has_no_timeout) {
  Row row = waiter();
  row.timeout.reset();
  expect_same(round_trip(Page{.rows = {row}, .next = {}}).rows.at(0), row);
}

TEST(CodecReplies, A_failure_comes_back) {
  const auto failure =
      round_trip(Failure{.error = {Errc::not_held, "no such \"lock\""}, .refusal = {}});
  EXPECT_EQ(failure.error.code, Errc::not_held);
  EXPECT_EQ(failure.error.message, "no such \"lock\"");
  EXPECT_FALSE(failure.refusal);
}

TEST(CodecReplies, A_refusal_comes_back_with_its_holders_C13) {
  const Refusal sent{.path = "/a",
                     .holders = {holder()},
                     .holder_count = 1000,
                     .waiters = 3,
                     .external = true,
                     .file = {.device = 8, .inode = UINT64_MAX}};
  const auto failure = round_trip(Failure{.error = {Errc::timed_out, "held"}, .refusal = sent});
  EXPECT_EQ(failure.error.code, Errc::timed_out);
  ASSERT_TRUE(failure.refusal);
  EXPECT_EQ(failure.refusal->path, "/a");
  ASSERT_EQ(failure.refusal->holders.size(), 1U);
  expect_same(failure.refusal->holders[0], holder());
  EXPECT_EQ(failure.refusal->holder_count, 1000U);
  EXPECT_EQ(failure.refusal->waiters, 3U);
  EXPECT_TRUE(failure.refusal->external);
  EXPECT_EQ(failure.refusal->file, sent.file);
}

TEST(CodecReplies, An_answer_to_what_had_no_id_has_none) {
  const auto reply = decode_reply(line_of({.id = {}, .answer = Failure{}}));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->id, std::nullopt);
}

TEST(CodecReplies, Text_that_is_not_UTF8_still_makes_a_valid_line) {
  const Failure failure{.error = {Errc::bad_file, "a\xff\x1b[31m\nz"}, .refusal = {}};
  const std::string line = line_of({.id = 1, .answer = failure});
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_EQ(round_trip(failure).error.message, "a\ufffd\\x1b[31m\\nz");
}

// ---- What a broken or newer daemon may send ----

TEST(CodecReplies, What_is_not_a_reply_is_an_error) {
  for (const char* line : {"",
                           "{",
                           "[]",
                           "null",
                           "7",
                           "\"text\"",
                           "{}",
                           R"({"id":1})",
                           R"({"result":7})",
                           R"({"result":null})",
                           R"({"error":{}})",
                           R"({"error":7})",
                           R"({"error":{"code":"x"}})",
                           R"({"result":{"token":"x"}})",
                           R"({"result":{"rows":7}})",
                           R"({"result":{"rows":[7]}})",
                           R"({"result":{"rows":[{"pid":"x"}]}})",
                           R"({"result":{"rows":[{"pid":1.5}]}})",
                           R"({"result":{"rows":[{"pid":1e300}]}})",
                           R"({"result":{"rows":[{"uid":-1}]}})",
                           R"({"result":{"rows":[{"uid":4294967296}]}})",
                           R"({"result":{"token":-1}})",
                           R"({"result":{"protocol":4294967297}})",
                           R"({"result":{"rows":[],"next":7}})",
                           R"({"error":{"code":1,"data":{"holders":7}}})",
                           "{\"result\":\"\xff\"}"}) {
    const auto reply = decode_reply(line);
    ASSERT_FALSE(reply) << line;
    EXPECT_EQ(reply.error().code, Errc::parse_error) << line;
  }
}

TEST(CodecReplies, Text_from_a_daemon_does_no_harm_on_a_terminal_either) {
  const auto reply =
      decode_reply(R"({"error":{"code":-32001,"message":"\u001b[2J","data":{"path":"/\u202e",)"
                   R"("holders":[{"path":"\n","command":"\u0007","reason":"\u009b"}]}}})");
  ASSERT_TRUE(reply);
  const auto& failure = std::get<Failure>(reply->answer);
  EXPECT_EQ(failure.error.message, "\\x1b[2J");
  ASSERT_TRUE(failure.refusal);
  EXPECT_EQ(failure.refusal->path, "/\\xe2\\x80\\xae");
  const Row& row = failure.refusal->holders.at(0);
  EXPECT_EQ(row.path + row.command + row.reason, "\\n\\x07\\xc2\\x9b");
}

TEST(CodecReplies, Deep_nesting_does_no_harm) {
  constexpr int kDepth = 100'000;
  std::string line = R"({"id":1,"result":{"rows":[)" + std::string(kDepth, '[');
  EXPECT_FALSE(decode_reply(line));
  line += std::string(kDepth, ']') + "]}}";
  EXPECT_FALSE(decode_reply(line));
}

TEST(CodecReplies, Members_that_a_newer_daemon_adds_are_passed_over) {
  const auto reply = decode_reply(R"({"id":1,"later":[1],"result":{"token":5,"later":{"a":1}}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(std::get<Grant>(reply->answer).token, 5U);
}

TEST(CodecReplies, An_error_that_a_newer_daemon_adds_is_told_by_its_message) {
  const auto reply = decode_reply(R"({"id":1,"error":{"code":-32099,"message":"moon too full"}})");
  ASSERT_TRUE(reply);
  const auto& failure = std::get<Failure>(reply->answer);
  EXPECT_EQ(failure.error.code, Errc::internal_error);
  EXPECT_EQ(failure.error.message, "moon too full");
}

}  // namespace
}  // namespace locket::proto
