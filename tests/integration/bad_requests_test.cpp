// Lines that are no requests, and requests that make no sense.

#include <random>

#include "proto/limits.hpp"
#include "tests/integration/bad_input.hpp"

namespace locket::test {
namespace {

struct Case {
  std::string line;
  std::string error;
};

std::string repeat(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string request(const std::string& method, const std::string& params) {
  return R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":)" + params + "}";
}

class BadRequests : public BadInput {
 protected:
  // Each is answered by exactly one error, and the session goes on.
  void expect_errors(const std::vector<Case>& cases) {
    RawClient client = stranger();
    for (const Case& bad : cases) {
      const std::string shown = bad.line.substr(0, 80);
      client.send_bytes(bad.line + '\n');
      const auto line = client.next();
      ASSERT_TRUE(line) << shown;
      ASSERT_TRUE(line->contains("error")) << shown << ": " << *line;
      EXPECT_EQ(name_of(line->at("error")), bad.error) << shown << ": " << *line;
      const std::string message = line->at("error")["message"];
      EXPECT_FALSE(message.empty());
      EXPECT_LT(message.size(), 200U) << message;
      client.call("status");
    }
  }

  RawClient::Greeting none = RawClient::Greeting::none;
};

TEST_F(BadRequests, Malformed_JSON_is_a_parse_error) {
  expect_errors({{"", "parse_error"},
                 {"   ", "parse_error"},
                 {"{", "parse_error"},
                 {"}", "parse_error"},
                 {"hello", "parse_error"},
                 {R"({"jsonrpc":"2.0","id":1,"method":"status"} and more)", "parse_error"},
                 {R"({"jsonrpc":"2.0","id":1,"method":"status"}{})", "parse_error"},
                 {R"({'jsonrpc':'2.0'})", "parse_error"},
                 {R"({"jsonrpc":"2.0",})", "parse_error"},
                 {R"({"jsonrpc":"2.0" /* comment */})", "parse_error"},
                 {R"({"id":NaN})", "parse_error"},
                 {R"({"id":1e999})", "parse_error"},
                 {R"({"id":0x1})", "parse_error"},
                 {R"({"method":"\ud800"})", "parse_error"},
                 {"{\"method\":\"\xff\xfe\"}", "parse_error"},
                 {std::string("{\"method\":\"a\0b\"}", 16), "parse_error"},
                 {std::string(3, '\0'), "parse_error"}});
}

TEST_F(BadRequests, Many_lines_in_a_row_that_are_no_requests_end_the_session_alone_C15) {
  RawClient client = stranger();
  const auto refused = [&](int lines) {
    for (int i = 0; i < lines; ++i) client.send_bytes("\n");
    for (int i = 0; i < lines; ++i) {
      const auto line = client.next();
      if (!line || name_of(line->at("error")) != "parse_error") return false;
    }
    return true;
  };
  EXPECT_TRUE(refused(proto::kMaxMistakes - 1));
  client.call("status");
  EXPECT_TRUE(refused(proto::kMaxMistakes - 1));
  client.send_bytes("\n");
  EXPECT_TRUE(client.next());
  const auto last = client.next();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->at("error")["message"], "256 lines in a row were not requests");
  EXPECT_TRUE(client.is_ended_by_daemon());
  take_turns();
}

TEST_F(BadRequests, What_is_no_request_is_an_invalid_request) {
  expect_errors({{"null", "invalid_request"},
                 {"42", "invalid_request"},
                 {R"("status")", "invalid_request"},
                 {"[]", "invalid_request"},
                 {R"([{"jsonrpc":"2.0","id":1,"method":"status"}])", "invalid_request"},
                 {"{}", "invalid_request"},
                 {R"({"id":1,"method":"status"})", "invalid_request"},
                 {R"({"jsonrpc":"1.0","id":1,"method":"status"})", "invalid_request"},
                 {R"({"jsonrpc":2.0,"id":1,"method":"status"})", "invalid_request"},
                 {R"({"jsonrpc":"2.0","id":1})", "invalid_request"},
                 {R"({"jsonrpc":"2.0","id":1,"method":5})", "invalid_request"},
                 {R"({"jsonrpc":"2.0","id":1,"method":"status","params":[]})", "invalid_request"},
                 {R"({"jsonrpc":"2.0","id":1,"method":"status","params":7})", "invalid_request"},
                 {R"({"jsonrpc":"2.0","id":1,"id":2,"method":"status"})", "invalid_request"},
                 {R"({"jsonrpc":"2.0","id":1,"result":{}})", "invalid_request"}});
}

TEST_F(BadRequests, An_id_that_is_none_is_an_invalid_request) {
  for (const char* id : {"-1", "1.5", "9007199254740992", "1e300", "\"1\"", "null", "true"}) {
    expect_errors({{std::string(R"({"jsonrpc":"2.0","method":"status","id":)") + id + "}",
                    "invalid_request"}});
  }
}

TEST_F(BadRequests, Deep_nesting_is_refused_however_deep_it_is) {
  constexpr std::size_t kDeep = 7'000;
  expect_errors({{repeat("[", kDeep), "invalid_request"},
                 {repeat("[", kDeep) + repeat("]", kDeep), "invalid_request"},
                 {repeat(R"({"a":)", kDeep), "invalid_request"},
                 {request("status", R"({"a":{"b":1}})"), "invalid_request"},
                 {request("status", R"({"a":[1]})"), "invalid_request"},
                 {request("acquire", repeat(R"({"path":)", kDeep)), "invalid_request"}});
}

TEST_F(BadRequests, Unknown_methods_are_refused) {
  expect_errors({{request("steal", "{}"), "unknown_method"},
                 {request("", "{}"), "unknown_method"},
                 {request("ACQUIRE", "{}"), "unknown_method"},
                 {request("rpc.discover", "{}"), "unknown_method"},
                 {request("a\\u001b[2J\\n" + std::string(5000, 'x'), "{}"), "unknown_method"}});
}

TEST_F(BadRequests, Unknown_wrong_and_missing_parameters_are_refused) {
  expect_errors(
      {{request("hello", "{}"), "invalid_params"},
       {request("hello", R"({"protocol":"1"})"), "invalid_params"},
       {request("hello", R"({"protocol":-1})"), "invalid_params"},
       {request("hello", R"({"protocol":1,"client":7})"), "invalid_params"},
       {request("hello", R"({"protocol":1,"command":")" + std::string(65, 'x') + "\"}"),
        "invalid_params"},
       {request("hello", R"({"protocol":2})"), "unsupported_protocol"},
       {request("release", "{}"), "invalid_params"},
       {request("release", R"({"token":"7"})"), "invalid_params"},
       {request("release", R"({"token":-7})"), "invalid_params"},
       {request("release", R"({"token":9007199254740992})"), "invalid_params"},
       {request("release", R"({"token":1e3})"), "invalid_params"},
       {request("release", R"({"token":null})"), "invalid_params"},
       {request("cancel", "{}"), "invalid_params"},
       {request("cancel", R"({"id":true})"), "invalid_params"},
       {request("detach", R"({"command":[]})"), "invalid_request"},
       {request("detach", R"({"command":5})"), "invalid_params"},
       {request("list", R"({"device":1})"), "invalid_params"},
       {request("list", R"({"inode":1})"), "invalid_params"},
       {request("list", R"({"device":"sda","inode":1})"), "invalid_params"},
       {request("list", R"({"after_lock":-1})"), "invalid_params"},
       {request("status", R"({"verbose":true})"), "invalid_params"},
       {request("acquire", R"({"path":5})"), "invalid_params"},
       {request("acquire", R"({"path":null})"), "invalid_params"},
       {request("acquire", R"({"path":"/tmp/x","mode":"both"})"), "invalid_params"},
       {request("acquire", R"({"path":"/tmp/x","mode":1})"), "invalid_params"},
       {request("acquire", R"({"path":"/tmp/x","reason":1})"), "invalid_params"},
       {request("acquire", R"({"path":"/tmp/x","reason":")" + std::string(1025, 'x') + "\"}"),
        "invalid_params"},
       {request("acquire", R"({"path":"/tmp/x","time_out":1})"), "invalid_params"},
       {request("acquire", R"({"path":"/tmp/x","timeout":1,"timeout":2})"), "invalid_request"}});
}

TEST_F(BadRequests, Nothing_goes_before_hello) {
  RawClient client(daemon.socket(), none);
  for (const char* method : {"acquire", "release", "cancel", "detach", "list", "status"}) {
    Json params = Json::object();
    if (method == std::string("release")) params["token"] = 1;
    if (method == std::string("cancel")) params["id"] = 1;
    EXPECT_EQ(name_of(client.error(client.start(method, params))), "invalid_request");
  }
  client.call("hello", {{"protocol", 1}});
  client.call("status");
}

TEST_F(BadRequests, Notifications_are_never_answered) {
  RawClient client = stranger();
  client.notify("release", {{"token", 1}});
  client.notify("cancel", {{"id", 1}});
  client.notify("status");
  client.notify("list");
  client.notify("acquire", {{"path", path}});
  const Id id = client.start("status");
  EXPECT_EQ(client.next()->at("id"), id);
  EXPECT_TRUE(ann.list().empty());
}

TEST_F(BadRequests, An_id_in_use_is_refused_and_harms_nothing) {
  RawClient client = stranger();
  const auto again = [&](Id id) {
    const proto::Descriptor file = open_file(path);
    client.send(
        {{"jsonrpc", "2.0"}, {"id", id}, {"method", "acquire"}, {"params", {{"path", path}}}},
        {file.get()});
    const Json error = client.error(id);
    EXPECT_EQ(name_of(error), "invalid_request");
    return error["message"].get<std::string>();
  };
  const Id held = client.acquire(path);
  const Token token = client.granted(held);
  const Id waiting = client.acquire(path);
  const std::string use = " is in use: its lock is held or waited for";
  EXPECT_EQ(again(held), "the id " + std::to_string(held) + use);
  EXPECT_EQ(again(waiting), "the id " + std::to_string(waiting) + use);
  EXPECT_FALSE(ann.try_lock(path));
  client.release(token);
  client.release(client.granted(waiting));
}

TEST_F(BadRequests, A_token_in_use_is_refused_and_harms_nothing_C9) {
  RawClient client = stranger();
  const Token token = client.lock(path);
  const proto::Descriptor file = open_file(path);
  const Json error =
      client.error(client.start("reclaim", {{"path", path}, {"token", token}}, {file.get()}));
  EXPECT_EQ(name_of(error), "invalid_request");
  EXPECT_EQ(error["message"], "this session has the token " + std::to_string(token) + " already");
  EXPECT_FALSE(ann.try_lock(path));
  client.release(token);
}

TEST_F(BadRequests, Releasing_twice_is_an_error_and_changes_nothing) {
  RawClient client = stranger();
  const Token token = client.lock(path);
  client.release(token);
  const Token held = client.lock(path);
  EXPECT_EQ(name_of(client.error(client.start("release", {{"token", token}}))), "not_held");
  EXPECT_FALSE(ann.try_lock(path));
  client.release(held);
}

TEST_F(BadRequests, Releasing_or_cancelling_anothers_lock_is_an_error_and_changes_nothing) {
  RawClient client = stranger();
  const Id id = client.acquire(path);
  const Token token = client.granted(id);
  EXPECT_EQ(name_of(ann.error(ann.start("release", {{"token", token}}))), "not_held");
  EXPECT_EQ(name_of(ann.error(ann.start("cancel", {{"id", id}}))), "not_held");
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_FALSE(bob.try_lock(path));
  client.release(token);
}

// ---- Bytes ----

TEST_F(BadRequests, A_line_as_long_as_the_limit_is_served_and_a_longer_one_ends_the_session) {
  constexpr std::size_t kLimit = 65'536;
  RawClient client = stranger();
  std::string line = request("status", "{}");
  line += std::string(kLimit - line.size(), ' ');
  client.send_bytes(line + '\n');
  EXPECT_EQ(client.next()->at("id"), 7);
  client.send_bytes(line + ' ');
  expect_end(client, "parse_error");
}

TEST_F(BadRequests, A_line_of_100_MB_ends_the_session_and_takes_no_memory) {
  constexpr std::size_t kMegabyte = 1'000'000;
  RawClient client = stranger();
  const std::string chunk(kMegabyte, 'x');
  std::size_t sent = 0;
  while (sent < 100 && client.send_bytes(chunk)) ++sent;
  EXPECT_LT(sent, 100U);
  expect_end(client, "parse_error");
  EXPECT_LT(memory_grown(), kMuchMemory);
}

TEST_F(BadRequests, Binary_noise_gets_errors_or_ends_the_session) {
  std::mt19937 random(20'240'229);
  for (int round = 0; round < 50; ++round) {
    RawClient client = stranger();
    std::string noise(20'000, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    client.send_bytes(noise + '\n');
    const Id id = 1'000'000;
    client.send({{"jsonrpc", "2.0"}, {"id", id}, {"method", "status"}});
    for (;;) {
      const auto line = client.next();
      ASSERT_TRUE(line);
      if (line->at("id") == id) break;
      ASSERT_TRUE(line->contains("error")) << *line;
    }
  }
}

TEST_F(BadRequests, A_request_may_come_byte_by_byte) {
  RawClient client = stranger();
  for (const char byte : request("status", "{}") + "\r\n") client.send_bytes({&byte, 1});
  EXPECT_TRUE(client.next()->contains("result"));
}

TEST_F(BadRequests, A_line_of_thousands_of_members_takes_no_time) {
  // As many members as fit; comparing them one by one would take seconds in all.
  std::string line = "{";
  for (int i = 0; line.size() < 65'000; ++i) line += "\"" + std::to_string(i) + "\":1,";
  line += "\"jsonrpc\":\"2.0\"}\n";
  RawClient client = stranger();
  const auto begin = Clock::now();
  for (int i = 0; i < 100; ++i) {
    client.send_bytes(line);
    EXPECT_EQ(name_of(client.next()->at("error")), "invalid_request");
  }
  std::cout << "100 such lines take " << seconds_since(begin) << " s\n";
  EXPECT_LT(seconds_since(begin), 2);
}

}  // namespace
}  // namespace locket::test
