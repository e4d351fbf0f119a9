// What one user may have, and what happens when the daemon itself has nothing left: C15.

#include "tests/integration/limits.hpp"

#include <fcntl.h>

#include <deque>

namespace locket::test {
namespace {

// ---- Limits of a user ----

TEST_F(Limits, Sessions_of_a_user_are_limited_and_one_that_ends_makes_room_C15) {
  start({"--max-sessions-per-user", "2"});
  RawClient one(socket_);
  auto other = std::make_unique<RawClient>(socket_);
  other->call("status");
  const std::string said = refusal();
  EXPECT_TRUE(names(said, user() + "has sessions: 2")) << said;
  EXPECT_TRUE(names(said, "--max-sessions-per-user")) << said;
  EXPECT_EQ(one.call("status")["sessions"], 2);
  other.reset();
  EXPECT_TRUE(eventually([&] { return is_served(); }));
}

TEST_F(Limits, What_is_parked_keeps_nobody_out_C15) {
  start({"--max-descriptors-per-user", "6"});
  RawClient one(socket_);
  RawClient other(socket_);
  Json parked;
  for (const char* name : {"a", "b"}) {
    parked = {{"token", one.lock(folder_ / name)}, {"park", true}};
    one.call("release", parked);
  }
  EXPECT_EQ(one.call("status")["user"]["descriptors"]["has"], 6);
  other.lock(folder_ / "c");
  EXPECT_EQ(one.call("status")["user"]["descriptors"]["has"], 6) << "one made room";
  one.granted(one.start("acquire", {{"path", folder_ / "b"}, {"parked", parked["token"]}}));
}

TEST_F(Limits, What_is_parked_makes_room_for_descriptors_that_come_ahead_C15) {
  start({"--max-descriptors-per-user", "8"});
  RawClient one(socket_);
  RawClient other(socket_);
  for (const char* name : {"a", "b"}) {
    one.call("release", {{"token", one.lock(folder_ / name)}, {"park", true}});
  }
  std::string lines;
  for (const Id id : {100, 101}) {
    const Json line{{"jsonrpc", "2.0"},
                    {"id", id},
                    {"method", "acquire"},
                    {"params", {{"path", std::to_string(id)}}}};
    lines += line.dump() + '\n';
  }
  const auto first = open_file(folder_ / "c");
  const auto second = open_file(folder_ / "d");
  other.send_bytes(lines.substr(0, 10), {first.get(), second.get()});
  EXPECT_TRUE(eventually([&] {
    const Json has = one.call("status")["user"]["descriptors"]["has"];
    return has == 2 * 2 + 2 + 1;
  })) << "of two that were parked, one";
  other.send_bytes(lines.substr(10));
  other.granted(100);
  other.granted(101);
}

TEST_F(Limits, Held_locks_of_a_user_are_limited_over_all_its_sessions_C15) {
  start({"--max-held-per-user", "3"});
  RawClient one(socket_);
  RawClient other(socket_);
  one.lock(folder_ / "a");
  one.lock(folder_ / "b");
  const Token third = other.lock(folder_ / "c");
  EXPECT_TRUE(names(refusal_of(one, folder_ / "d"), user() + "holds locks: 3"));
  EXPECT_TRUE(names(refusal_of(other, folder_ / "d"), "--max-held-per-user"));
  other.release(third);
  one.lock(folder_ / "d");
}

TEST_F(Limits, Waiting_requests_of_a_user_are_limited_C15) {
  start({"--max-waiting-per-user", "2"});
  RawClient holder(socket_);
  RawClient waiter(socket_);
  const Token held = holder.lock(folder_ / "a");
  const Id first = waiter.acquire(folder_ / "a");
  waiter.acquire(folder_ / "a");
  EXPECT_TRUE(names(refusal_of(waiter, folder_ / "a"), user() + "waits for locks: 2"));
  EXPECT_TRUE(names(refusal_of(waiter, folder_ / "b"), "--max-waiting-per-user"));
  holder.release(held);
  waiter.granted(first);
  EXPECT_TRUE(waiter.waits(waiter.acquire(folder_ / "a")));
}

TEST_F(Limits, Paths_and_reasons_of_a_users_locks_are_limited_in_bytes_C15) {
  start({"--max-text-per-user", "2000"});
  RawClient holder(socket_);
  RawClient waiter(socket_);
  const std::string path = folder_ / "a";
  const Json reason{{"reason", std::string(900, 'r')}};
  const Token held = holder.lock(path, reason);
  const Id waiting = waiter.acquire(path, reason);
  EXPECT_TRUE(waiter.waits(waiting));
  const std::string has = std::to_string(2 * (path.size() + 900)) + " bytes of paths and reasons";
  EXPECT_TRUE(names(refusal_of(waiter, path, reason), user() + "has " + has));
  EXPECT_TRUE(names(refusal_of(holder, path, reason), "2000 (--max-text-per-user)"));
  // The lock's end frees the space of its texts, and a small request still finds room.
  EXPECT_TRUE(waiter.waits(waiter.acquire(path)));
  holder.release(held);
  waiter.granted(waiting);
  EXPECT_TRUE(holder.waits(holder.acquire(path, reason)));
}

TEST_F(Limits, Descriptors_kept_for_a_user_are_limited_C15) {
  start({"--max-descriptors-per-user", "5"});
  RawClient client(socket_);  // two
  for (const char* name : {"a", "b", "c"}) client.lock(folder_ / name);
  EXPECT_TRUE(names(refusal_of(client, folder_ / "d"), user() + "makes it keep descriptors: 5"));
  EXPECT_TRUE(names(refusal(), "--max-descriptors-per-user"));
}

TEST_F(Limits, Others_are_not_concerned_C15) {
  const auto other = ordinary_user();
  if (!other) GTEST_SKIP() << "only root can be two users";
  start({"--max-held-per-user", "1"});
  RawClient client(socket_);
  client.lock(folder_ / "a");
  refusal_of(client, folder_ / "b");
  const std::string theirs = folder_.file("theirs");
  EXPECT_EQ(in_process_of(*other,
                          [&] {
                            RawClient them(socket_);
                            const proto::Descriptor file(::open(theirs.c_str(), O_RDONLY));
                            them.granted(them.start("acquire", {{"path", theirs}}, {file.get()}));
                            return 0;
                          }),
            0);
}

TEST_F(Limits, Descriptors_that_come_ahead_of_their_requests_are_their_users_C15) {
  start({"--max-descriptors-per-user", "50"});
  RawClient client(socket_);
  const proto::Descriptor file = open_file(folder_ / "a");
  // A line that has begun may bring the descriptors of later ones.
  client.send_bytes("{", std::vector<int>(100, file.get()));
  const auto line = client.next();
  ASSERT_TRUE(line);
  EXPECT_TRUE(names((*line)["error"]["message"], "--max-descriptors-per-user")) << *line;
  EXPECT_TRUE(client.is_ended_by_daemon());
  RawClient(socket_).lock(folder_ / "a");
}

TEST_F(Limits, Users_who_have_all_that_they_may_leave_some_for_others_C15) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be several users";
  start({}, 1024);
  const auto take_all = [&] {
    static std::deque<RawClient> clients;
    do {
      greet(clients.emplace_back(socket_, RawClient::Greeting::none));
    } while (clients.size() < 1000 && clients.back().next()->contains("result"));
  };
  const Bystander one(kNobody, take_all);
  const Bystander two(kNobody - 1, take_all);
  RawClient client(socket_);
  EXPECT_GT(client.call("status")["sessions"], 450);
  client.lock(folder_ / "a");
  client.lock(folder_ / "b");
}

TEST_F(Limits, Nonsense_for_a_limit_is_one_line_and_status_64) {
  for (const char* number : {"0", "-1", "many", "99999999999"}) {
    const Ended ended = run(Daemon::command(folder_ / "no.sock", {"--max-held-per-user", number}));
    EXPECT_EQ(ended.status, 64) << number;
    EXPECT_EQ(std::ranges::count(ended.errors, '\n'), 1) << ended.errors;
  }
  start({});
}

// ---- Limits of the daemon ----

// UBSan itself needs descriptors, and fails without them.
#ifndef LOCKET_SANITIZED
TEST_F(Limits, A_daemon_without_descriptors_says_so_to_who_connects_and_recovers_C15) {
  start({}, 72);
  std::deque<RawClient> clients;
  std::string said;
  while (clients.size() < 72 && said.empty()) {
    auto& client = clients.emplace_back(socket_, RawClient::Greeting::none);
    greet(client);
    const auto line = client.next();
    ASSERT_TRUE(line);
    if (line->contains("error")) said = (*line)["error"]["message"];
  }
  // The user's limit or the daemon's, whichever is reached first.
  EXPECT_TRUE(names(said, "descriptor")) << said;
  clients.pop_back();
  EXPECT_GE(clients.size(), 10U);
  for (auto& client : clients) EXPECT_EQ(client.call("status")["descriptor_limit"], 72);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return is_served(); }));
}

TEST_F(Limits, Where_all_descriptors_are_taken_the_last_one_says_so_C15) {
  start({"--max-descriptors-per-user", "1000"}, 40);
  std::deque<RawClient> clients;
  for (int i = 0; i < 30; ++i) clients.emplace_back(socket_, RawClient::Greeting::none);
  std::string said;
  EXPECT_TRUE(eventually([&] {
    said = refusal();
    return names(said, "locketd has no descriptor left") && names(said, "LimitNOFILE");
  })) << said;
  clients.clear();
  EXPECT_TRUE(eventually([&] { return is_served(); }));
}

TEST_F(Limits, A_file_that_there_is_no_descriptor_for_is_refused_and_its_session_goes_on_C15) {
  start({"--max-descriptors-per-user", "1000"}, 40);
  RawClient client(socket_);
  std::vector<Token> held;
  std::string said;
  for (int i = 0; i < 40 && said.empty(); ++i) {
    const Json line = client.answer(client.acquire(folder_ / std::to_string(i)));
    if (line.contains("error")) {
      said = line["error"]["message"];
    } else {
      held.push_back(line["result"]["token"]);
    }
  }
  EXPECT_TRUE(names(said, "locketd has no descriptor left")) << said;
  EXPECT_EQ(client.call("status")["holders"], held.size());
  client.release(held.back());
  client.lock(folder_ / "after");
}

// If some of a message's descriptors did not fit, the kernel does not tell the daemon how many.
TEST_F(Limits, Files_of_one_message_that_there_are_no_descriptors_for_are_all_refused_C15) {
  constexpr int kFiles = 60;
  start({"--max-descriptors-per-user", "1000"}, 40);
  RawClient client(socket_);
  std::vector<proto::Descriptor> files;
  std::vector<int> numbers;
  std::string lines;
  for (int i = 0; i < kFiles; ++i) {
    const std::string path = folder_ / std::to_string(i);
    numbers.push_back(files.emplace_back(open_file(path)).get());
    const Json params{{"path", path}, {"timeout", 0}};
    lines += Json{{"jsonrpc", "2.0"}, {"id", 1000 + i}, {"method", "acquire"}, {"params", params}}
                 .dump() +
             "\n";
  }
  ASSERT_TRUE(client.send_bytes(lines, numbers));
  std::vector<Token> held;
  for (int i = 0; i < kFiles; ++i) {
    const Json answer = client.answer(1000 + i);
    if (answer.contains("result")) {
      EXPECT_EQ(held.size(), static_cast<std::size_t>(i));
      held.push_back(answer["result"]["token"]);
    } else {
      EXPECT_TRUE(names(answer["error"]["message"], "locketd has no descriptor left")) << answer;
    }
  }
  EXPECT_LT(held.size(), static_cast<std::size_t>(kFiles) - 1);
  EXPECT_EQ(client.call("status")["holders"], held.size());
  for (const Token token : held) client.release(token);
  client.lock(folder_ / "after");
}
#endif

}  // namespace
}  // namespace locket::test
