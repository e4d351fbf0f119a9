// Clients that misbehave over time: that do not read, do not end, or end where they should not.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <vector>

#include "tests/integration/bad_input.hpp"

namespace locket::test {
namespace {

class BadClients : public BadInput {
 protected:
  // Sends requests over and over without reading, until the daemon stops reading too or ends the
  // session. Meanwhile Ann and Bob take turns.
  void flood(RawClient& client, const std::function<std::string(int)>& request_with_id) {
    constexpr int kRest = 100;  // milliseconds in which a daemon that still reads would have read
    std::string lines;
    for (int id = 1000; lines.size() < 65'536; ++id) lines += request_with_id(id) + '\n';
    for (std::size_t sent = 0; sent < (std::size_t{256} << 20);) {
      const std::string_view rest = std::string_view(lines).substr(sent % lines.size());
      const ssize_t some = ::send(client.descriptor(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (some > 0) {
        sent += static_cast<std::size_t>(some);
        longest_turn_ = std::max(longest_turn_, turn());
        continue;
      }
      pollfd room{client.descriptor(), POLLOUT, 0};
      if (errno != EAGAIN || ::poll(&room, 1, kRest) == 0) return;
    }
    ADD_FAILURE() << "the daemon has read 256 MB of requests whose answers nobody read";
  }

  static std::string request(int id, const std::string& method, Json params = Json::object()) {
    return Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}}
        .dump();
  }

  // Shared locks on this file, with the longest texts allowed.
  void hold_many(RawClient& client, const std::string& file, int count) {
    for (int i = 0; i < count; ++i) {
      const proto::Descriptor descriptor = open_file(file);
      client.granted(client.start("acquire",
                                  {{"path", std::string(16'384, '/')},
                                   {"reason", std::string(1'024, 'x')},
                                   {"mode", "shared"}},
                                  {descriptor.get()}));
    }
  }

  double turn() {
    const auto begin = Clock::now();
    take_turns();
    return seconds_since(begin);
  }

  void expect_others_unharmed() const {
    std::cout << "Ann and Bob waited " << longest_turn_ << " s at most; the daemon grew by "
              << memory_grown() / 1024 << " KiB\n";
    EXPECT_LT(longest_turn_, 10);
    EXPECT_LT(memory_grown(), kMuchMemory);
  }

 private:
  double longest_turn_ = 0;
};

// ---- Saying much at once ----

// Both messages are there when the daemon goes on, and the second client's turn comes before all of
// the first one's lines have been handled.
TEST_F(BadClients, One_that_says_much_at_once_has_a_turn_as_others_have_C15) {
  constexpr int kLines = 200;
  RawClient client = stranger();
  const std::string file = folder.file("some.lock");
  std::string lines;
  std::vector<proto::Descriptor> files;
  std::vector<int> numbers;
  for (int id = 1000; id < 1000 + kLines; ++id) {
    lines += request(id, "acquire", {{"path", file}, {"mode", "shared"}}) + '\n';
    numbers.push_back(files.emplace_back(open_file(file)).get());
  }
  const auto grants = ann.call("status")["grants"].get<int>();
  daemon.freeze();
  ASSERT_TRUE(client.send_bytes(lines, numbers));
  const Id asked = ann.start("status");
  daemon.thaw();
  EXPECT_LT(ann.answer(asked)["result"]["grants"].get<int>(), grants + kLines);
  for (int id = 1000; id < 1000 + kLines; ++id) client.granted(id);
}

// Else a client that then does not read has as many as it likes.
TEST_F(BadClients, Descriptors_are_counted_while_their_lines_wait_for_a_turn_C15) {
  constexpr int kFiles = 100;
  const auto descriptors_of = [](const Json& status) {
    return status["user"]["descriptors"]["has"].get<int>();
  };
  RawClient client = stranger();
  std::string lines;
  for (int id = 1000; id < 1100; ++id) lines += request(id, "status") + '\n';
  std::vector<proto::Descriptor> files;
  std::vector<int> numbers;
  for (int id = 2000; id < 2000 + kFiles; ++id) {
    lines += request(id, "acquire", {{"path", "/shared"}, {"mode", "shared"}}) + '\n';
    numbers.push_back(files.emplace_back(open_file(folder.file("some.lock"))).get());
  }
  const int before = descriptors_of(ann.call("status"));
  daemon.freeze();
  ASSERT_TRUE(client.send_bytes(lines, numbers));
  const Id asked = cal.start("status");  // who has not just had a turn, and so is not ahead
  daemon.thaw();
  EXPECT_GE(descriptors_of(cal.answer(asked)["result"]), before + kFiles);
  for (int id = 2000; id < 2000 + kFiles; ++id) client.granted(id);
}

// The socket takes no more answers by then.
TEST_F(BadClients, A_release_behind_answers_that_nobody_reads_is_heard_C7) {
  const std::string file = folder.file("some.lock");
  RawClient client = stranger();
  const Token held = client.lock(file);
  const Id waiting = bob.acquire(file);
  ASSERT_TRUE(bob.waits(waiting));
  std::string lines;
  for (int id = 1000; id < 1700; ++id) lines += request(id, "status") + '\n';
  lines += Json{{"jsonrpc", "2.0"}, {"method", "release"}, {"params", {{"token", held}}}}.dump();
  ASSERT_TRUE(client.send_bytes(lines + '\n'));
  bob.release(bob.granted(waiting));
}

TEST_F(BadClients, One_that_will_never_read_is_heard_to_the_end_and_ends_C8) {
  const std::string file = folder.file("some.lock");
  RawClient client = stranger();
  client.lock(file);
  const Id waiting = bob.acquire(file);
  ASSERT_TRUE(bob.waits(waiting));
  ::shutdown(client.descriptor(), SHUT_RD);
  ASSERT_TRUE(client.send_bytes(request(1000, "status") + '\n'));
  bob.release(bob.granted(waiting));
  EXPECT_TRUE(eventually_alone(others_));
}

TEST_F(BadClients, One_that_sends_nothing_but_line_feeds_is_held_up_C15) {
  RawClient client = stranger();
  flood(client, [](int) { return ""; });
  expect_others_unharmed();
}

// ---- Not reading ----

TEST_F(BadClients, One_that_floods_with_status_and_never_reads_is_held_up_C15) {
  RawClient client = stranger();
  flood(client, [](int id) { return request(id, "status"); });
  expect_others_unharmed();
}

TEST_F(BadClients, One_that_floods_with_errors_and_never_reads_is_held_up_C15) {
  RawClient client = stranger();
  flood(client, [](int) { return "{"; });
  expect_others_unharmed();
}

TEST_F(BadClients, One_that_floods_with_list_and_never_reads_is_held_up_C15) {
  RawClient client = stranger();
  hold_many(client, folder.file("shared.lock"), 300);
  flood(client, [](int id) { return request(id, "list"); });
  expect_others_unharmed();
}

TEST_F(BadClients, One_that_floods_with_attempts_and_never_reads_is_held_up_C15) {
  RawClient client = stranger();
  const std::string file = folder.file("shared.lock");
  hold_many(client, file, 8);
  flood(client, [&](int id) { return request(id, "acquire", {{"path", file}, {"timeout", 0}}); });
  expect_others_unharmed();
}

TEST_F(BadClients, One_that_always_lags_behind_a_little_is_no_burden_C15) {
  constexpr int kAhead = 100;  // answers: more than a socket and the outbox take
  constexpr int kAnswers = 6'000;
  RawClient client = stranger();
  const std::string file = folder.file("shared.lock");
  hold_many(client, file, 1);
  for (int id = 1000; id < 1000 + kAnswers + kAhead; ++id) {
    client.send_bytes(request(id, "acquire", {{"path", file}, {"timeout", 0}}) + '\n');
    ann.call("status");  // the daemon keeps up, so it always has an answer to send
    if (id >= 1000 + kAhead) {
      ASSERT_TRUE(client.next());
    }
  }
  EXPECT_LT(memory_grown(), kMuchMemory);
}

TEST_F(BadClients, A_list_of_the_longest_texts_reaches_one_that_reads) {
  RawClient client = stranger();
  hold_many(client, folder.file("shared.lock"), 300);
  EXPECT_EQ(ann.list().size(), 300U);
  const Ended listed = run(locketctl({"list", "--json"}));
  ASSERT_EQ(listed.status, 0) << listed.errors;
  EXPECT_EQ(Json::parse(listed.output)["locks"][0]["holders"].size(), 300U);
}

// ---- Ending ----

TEST_F(BadClients, One_that_closes_in_the_middle_of_a_line_is_forgotten) {
  for (int i = 0; i < 20; ++i) {
    RawClient client = stranger();
    const proto::Descriptor file = open_file(path);
    client.send_bytes(R"({"jsonrpc":"2.0","id":5,"method":"acq)", {file.get()});
  }
}

TEST_F(BadClients, One_that_closes_after_a_request_is_forgotten_with_it) {
  for (int i = 0; i < 20; ++i) {
    RawClient client = stranger();
    client.acquire(path);
  }
  EXPECT_TRUE(eventually([&] { return ann.list().empty(); }));
}

TEST_F(BadClients, One_that_closes_only_its_writing_half_is_answered_and_forgotten) {
  RawClient client = stranger();
  const Id id = client.acquire(path);
  ::shutdown(client.descriptor(), SHUT_WR);
  client.granted(id);
  EXPECT_TRUE(client.is_ended_by_daemon());
}

TEST_F(BadClients, One_that_closes_only_its_reading_half_is_forgotten) {
  RawClient client = stranger();
  ::shutdown(client.descriptor(), SHUT_RD);
  client.send({{"jsonrpc", "2.0"}, {"id", 5}, {"method", "status"}});
  EXPECT_TRUE(eventually([&] { return ann.call("status")["sessions"] == 3; }));
}

// ---- Many clients ----

TEST_F(BadClients, Hundreds_that_say_nothing_are_no_burden) {
  std::deque<RawClient> clients;
  for (int i = 0; i < 500; ++i) clients.emplace_back(daemon.socket(), RawClient::Greeting::none);
  take_turns();
}

TEST_F(BadClients, Hundreds_that_come_and_go_leave_nothing) {
  for (int i = 0; i < 500; ++i) {
    RawClient client = stranger();
    client.lock(path);
  }
}

TEST_F(BadClients, One_that_holds_and_asks_without_end_does_not_delay_others) {
  RawClient client = stranger();
  client.lock(folder.file("its.lock"));
  std::string lines;
  for (int i = 0; i < 1000; ++i)
    lines += R"({"jsonrpc":"2.0","method":"status"})"
             "\n";
  double longest = 0;
  for (int i = 0; i < 100; ++i) {
    client.send_bytes(lines);
    longest = std::max(longest, turn());
    ann.list();
  }
  std::cout << "Ann and Bob waited " << longest << " s at most\n";
  EXPECT_LT(longest, 10);
}

}  // namespace
}  // namespace locket::test
