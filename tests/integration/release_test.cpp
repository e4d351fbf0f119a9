// Release is final, and tokens only rise: C7, and C9 as far as the kernel's lock goes.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <thread>

#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

constexpr int kRounds = 10'000;

class Release : public LockTest {
 protected:
  // Two processes hand a byte to each other: the one that receives it knows that the other's
  // release has returned, and takes the lock without waiting. If `busy`, another thread in each
  // process keeps its connection busy.
  void play_pingpong(bool busy) const {
    std::array<int, 2> there{};
    std::array<int, 2> back{};
    ASSERT_EQ(::pipe2(there.data(), O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(back.data(), O_CLOEXEC), 0);
    proto::Descriptor ends[] = {proto::Descriptor(there[0]), proto::Descriptor(there[1]),
                                proto::Descriptor(back[0]), proto::Descriptor(back[1])};
    Child first(player(back[0], there[1], busy ? "first.lock" : ""));
    Child second(player(there[0], back[1], busy ? "second.lock" : ""));
    ASSERT_EQ(::write(back[1], "o", 1), 1);
    for (auto& end : ends) end.reset();
    for (Child* child : {&first, &second}) {
      const Ended ended = child->wait();
      EXPECT_EQ(ended.status, 0) << ended.errors;
    }
  }

  // As many other requests as one session can make, of every kind, until told to stop.
  void keep_busy(const std::atomic<bool>& stop) const {
    RawClient client(daemon.socket());
    const std::string other = folder / "other.lock";
    while (!stop) {
      const Token token = client.lock(other);
      EXPECT_FALSE(client.try_lock(other));
      client.list();
      client.release(token);
    }
  }

 private:
  [[nodiscard]] Command player(int input, int output, const std::string& other) const {
    Command command = program();
    command.words.insert(command.words.end(), {"pingpong", path, std::to_string(kRounds)});
    if (!other.empty()) command.words.push_back(folder / other);
    command.descriptors = {{input, STDIN_FILENO}, {output, STDOUT_FILENO}};
    return command;
  }
};

// ---- Whoever comes after a release gets the lock (C7) ----

TEST_F(Release, Of_10000_attempts_after_a_release_every_one_succeeds_C7) {
  play_pingpong(false);
  EXPECT_EQ(ann.call("status")["grants"], 2 * kRounds);
}

TEST_F(Release, Of_10000_attempts_with_a_busy_daemon_every_one_succeeds_C7) {
  std::atomic<bool> stop = false;
  const std::jthread busy([&] { keep_busy(stop); });
  play_pingpong(true);
  stop = true;
}

TEST_F(Release, An_attempt_that_the_daemon_reads_before_the_release_succeeds_too_C7) {
  for (const bool waits_for_it : {false, true}) {
    const Token held = ann.lock(path);
    daemon.freeze();
    bob.start("status");  // what arrives first makes its socket the first to be read
    ann.notify("release", {{"token", held}});
    const Id id = bob.acquire(path, {{"timeout", waits_for_it ? 1e-9 : 0}});
    daemon.thaw();
    bob.release(bob.granted(id));
  }
}

TEST_F(Release, A_holder_whose_notice_is_not_sent_yet_is_in_nobodys_way_C7) {
  const proto::Descriptor file = open_file(path);
  const Json params = {{"path", path}, {"timeout", 0}};
  const Token held = ann.granted(ann.start("acquire", params, {file.get()}));
  EXPECT_FALSE(bob.try_lock(path));
  // The holder's own open file description has the lock: that is no release.
  EXPECT_EQ(name_of(ann.error(ann.start("acquire", params, {file.get()}))), "timed_out");
  ASSERT_EQ(::flock(file.get(), LOCK_UN), 0);
  const Token next = bob.granted(bob.acquire(path, {{"timeout", 0}}));
  EXPECT_FALSE(cal.try_lock(path));
  ann.release(held);
  EXPECT_FALSE(kernel_admits(path));
  bob.release(next);
  EXPECT_TRUE(kernel_admits(path));
}

TEST_F(Release, A_list_that_the_daemon_reads_before_the_release_knows_of_it_too_C7) {
  const Token held = ann.lock(path);
  daemon.freeze();
  bob.start("status");
  ann.notify("release", {{"token", held}});
  const Id id = bob.start("list");
  daemon.thaw();
  EXPECT_TRUE(bob.result(id)["rows"].empty());
}

TEST_F(Release, Whoever_comes_after_a_holder_that_exited_gets_the_lock_C7_C8) {
  for (int i = 0; i < 300; ++i) {
    const Ended ended = run(locketctl({"run", "-n", path, "--", "true"}));
    ASSERT_EQ(ended.status, 0) << ended.errors << "in round " << i;
    const Token token = ann.lock(path, {{"timeout", 0}});
    ann.release(token);
  }
}

TEST_F(Release, A_release_hands_the_lock_to_the_next_waiter_C7) {
  Child holder(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  const Id waiting = ann.acquire(path);
  ASSERT_TRUE(ann.waits(waiting));
  EXPECT_EQ(holder.ask("release " + path), "released");
  EXPECT_TRUE(says(holder.ask("lock " + path + " 0"), "timed_out"));
  ann.granted(waiting);
}

TEST_F(Release, A_release_is_heard_behind_any_number_of_requests_C7) {
  const Token held = ann.lock(path);
  daemon.freeze();
  // Each comes with a descriptor, and one recvmsg(2) call reads no further than that.
  for (int i = 0; i < 40; ++i) ann.acquire(folder.file("other" + std::to_string(i)));
  ann.notify("release", {{"token", held}});
  const Id after = bob.acquire(path, {{"timeout", 0}});
  daemon.thaw();
  bob.granted(after);
}

TEST_F(Release, A_holder_that_ends_without_reading_its_answers_hands_over_C8) {
  RawClient holder(daemon.socket());
  holder.lock(path);
  const Id waiting = bob.acquire(path);
  ASSERT_TRUE(bob.waits(waiting));
  // More answers than the client's socket takes, so that the daemon is waiting to write when the
  // client ends.
  std::string requests;
  for (int i = 0; i < 1'500; ++i) {
    requests += R"({"jsonrpc":"2.0","id":7,"method":"status","params":{}})"
                "\n";
  }
  ASSERT_TRUE(holder.send_bytes(requests));
  holder.close();
  bob.granted(waiting);
}

// ---- Without the daemon's help (C7, C9) ----

TEST_F(Release, A_release_works_while_the_daemon_is_frozen_C7) {
  Child holder(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  daemon.freeze();
  EXPECT_EQ(holder.ask("release " + path), "released");
  EXPECT_TRUE(kernel_admits(path));
  daemon.thaw();
  EXPECT_TRUE(ann.try_lock(path));
}

TEST_F(Release, A_holder_holds_without_the_daemon_and_can_release_C7_C9) {
  Child holder(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  daemon.stop();
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_EQ(holder.ask("release " + path), "released");
  EXPECT_TRUE(kernel_admits(path));
  daemon.start();
}

TEST_F(Release, A_command_run_under_a_lock_holds_it_without_the_daemon_C9) {
  Child holder(locketctl({"run", path, "--", "sh", "-c", "echo held; exec cat"}));
  ASSERT_EQ(holder.line(), "held");
  daemon.stop();
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_EQ(holder.finish().status, 0);
  EXPECT_TRUE(kernel_admits(path));
  daemon.start();
}

// ---- Tokens ----

TEST_F(Release, Tokens_only_rise_also_over_restarts) {
  constexpr Token kExact = Token{1} << 53;
  Token last = 0;
  for (int start = 0; start < 3; ++start) {
    RawClient client(daemon.socket());
    for (int i = 0; i < 500; ++i) {
      const Token token = client.lock(i % 2 == 0 ? path : folder / "other.lock");
      EXPECT_GT(token, last);
      EXPECT_LT(token, kExact);
      client.release(token);
      last = token;
    }
    daemon.restart();
  }
}

}  // namespace
}  // namespace locket::test
