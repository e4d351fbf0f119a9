// Who gets the lock and when: C2, C3, C4.

#include <csignal>
#include <deque>

#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

constexpr int kMany = 10;

class Order : public LockTest {
 protected:
  static Json shared() { return {{"mode", "shared"}}; }
};

// ---- Modes (C2) ----

TEST_F(Order, An_exclusive_lock_has_one_holder_C2) {
  const Token held = ann.lock(path);
  for (const char* mode : {"exclusive", "shared"}) {
    const Json error = bob.error(bob.acquire(path, {{"mode", mode}, {"timeout", 0}}));
    EXPECT_EQ(name_of(error), "timed_out");
    EXPECT_EQ(error["data"]["external"], false) << "it was the kernel that noticed";
  }
  ann.release(held);
  EXPECT_TRUE(bob.try_lock(path));
}

TEST_F(Order, A_shared_lock_has_many_holders_C2) {
  const Token held = ann.lock(path, shared());
  EXPECT_TRUE(bob.try_lock(path, shared()));
  EXPECT_TRUE(ann.try_lock(path, shared()));
  EXPECT_FALSE(cal.try_lock(path));
  ann.release(held);
  EXPECT_FALSE(cal.try_lock(path));
}

TEST_F(Order, A_lock_is_not_reentrant_C2) {
  ann.lock(path);
  EXPECT_FALSE(ann.try_lock(path));
}

// ---- Timeouts (C3) ----

TEST_F(Order, A_free_lock_is_had_whatever_the_timeout_C3) {
  for (const Json& timeout : {Json(nullptr), Json(0), Json(-0.0), Json(0.001), Json(1e9)}) {
    ann.release(ann.lock(path, {{"timeout", timeout}}));
  }
}

TEST_F(Order, A_wait_is_never_cut_short_C3) {
  ann.lock(path);
  for (const double timeout : {0.001, 0.05, 0.5, 1.0}) {
    const auto begin = Clock::now();
    EXPECT_EQ(name_of(bob.error(bob.acquire(path, {{"timeout", timeout}}))), "timed_out");
    EXPECT_GE(seconds_since(begin), timeout);
    EXPECT_LT(seconds_since(begin), timeout + 5);
  }
}

TEST_F(Order, Waits_of_many_end_each_in_its_time_C3) {
  ann.lock(path);
  const auto begin = Clock::now();
  std::deque<std::pair<double, Id>> waits;
  for (const double timeout : {0.7, 0.1, 0.5, 0.3}) {
    waits.emplace_back(timeout, bob.acquire(path, {{"timeout", timeout}}));
  }
  std::ranges::sort(waits);
  for (const auto& [timeout, id] : waits) {
    EXPECT_EQ(bob.next()->at("id"), id);
    EXPECT_GE(seconds_since(begin), timeout);
  }
}

TEST_F(Order, Zero_answers_at_once_C3) {
  ann.lock(path);
  const auto begin = Clock::now();
  EXPECT_FALSE(bob.try_lock(path));
  EXPECT_LT(seconds_since(begin), 1);
}

TEST_F(Order, No_timeout_waits_for_ever_C3) {
  const Token held = ann.lock(path);
  const Id absent = bob.acquire(path);
  const Id null = cal.acquire(path, {{"timeout", nullptr}});
  let_pass(std::chrono::milliseconds(300));
  EXPECT_TRUE(bob.waits(absent));
  EXPECT_TRUE(cal.waits(null));
  ann.release(held);
  bob.release(bob.granted(absent));
  cal.granted(null);
}

TEST_F(Order, A_timeout_that_is_none_is_refused_on_the_wire_C3) {
  for (const char* timeout : {"-1", "-0.001", "1000000001", "1e300", "1e999", "-1e999", "NaN",
                              "Infinity", "\"abc\"", "\"5\"", "true", "[5]", "{}"}) {
    const std::string line = R"({"jsonrpc":"2.0","id":900,"method":"acquire","params":{"path":")" +
                             path + R"(","timeout":)" + timeout + "}}\n";
    const proto::Descriptor file = open_file(path);
    RawClient client(daemon.socket());
    client.send_bytes(line, {file.get()});
    EXPECT_TRUE(client.next()->contains("error")) << timeout;
    EXPECT_EQ(waiters(), 0U) << timeout;
    EXPECT_TRUE(ann.try_lock(path)) << timeout << " has locked it";
    ann.close();
    ann = RawClient(daemon.socket());
  }
}

TEST_F(Order, The_library_refuses_a_timeout_that_is_none_C3) {
  Child child(program());
  for (const char* timeout : {"-1", "-0.001", "1000000001", "1e300", "nan", "inf", "-inf"}) {
    EXPECT_TRUE(says(child.ask("lock " + path + ' ' + timeout), "invalid_argument"));
  }
}

TEST_F(Order, A_wait_ends_in_time_also_when_the_daemon_is_frozen_C3) {
  ann.lock(path);
  Child child(program());
  EXPECT_TRUE(says(child.ask("lock " + path + " 0"), "timed_out"));
  daemon.freeze();
  const auto begin = Clock::now();
  EXPECT_TRUE(says(child.ask("lock " + path + " 0.5"), "timed_out"));
  EXPECT_GE(seconds_since(begin), 0.5);
  EXPECT_LT(seconds_since(begin), 5);
  EXPECT_TRUE(says(child.ask("lock " + path + " 0"), "no_daemon"));
}

TEST_F(Order, A_wait_for_ever_does_not_end_when_the_daemon_does_C3_C9) {
  ann.lock(path);
  Child child(program());
  child.say("lock " + path);
  ASSERT_TRUE(eventually_waiting(1));
  daemon.restart();  // ends the session that held it, which has no library to reclaim it
  EXPECT_TRUE(says(child.line(), "held"));
}

// ---- First come, first served (C4) ----

TEST_F(Order, Ten_sessions_are_served_in_the_order_in_which_they_came_C4) {
  Token held = ann.lock(path);
  std::deque<RawClient> clients;
  std::vector<Id> ids;
  for (int i = 0; i < kMany; ++i) {
    clients.emplace_back(daemon.socket());
    ids.push_back(clients.back().acquire(path));
    ASSERT_TRUE(clients.back().waits(ids.back()));
  }
  RawClient* holder = &ann;
  for (std::size_t next = 0; next < kMany; ++next) {
    holder->release(held);
    held = clients[next].granted(ids[next]);
    holder = &clients[next];
    for (std::size_t later = next + 1; later < kMany; ++later) {
      EXPECT_TRUE(clients[later].waits(ids[later])) << later << " overtook";
    }
  }
}

TEST_F(Order, Ten_processes_are_served_in_the_order_in_which_they_came_C4) {
  const Token held = ann.lock(path);
  std::deque<Child> children;
  for (std::size_t i = 0; i < kMany; ++i) {
    children.emplace_back(program()).say("lock " + path);
    ASSERT_TRUE(eventually_waiting(i + 1));
  }
  ann.release(held);
  std::string before = "held 0";
  for (Child& child : children) {
    const std::string answer = child.line();
    ASSERT_TRUE(says(answer, "held"));
    // Tokens of equal length compare as text.
    EXPECT_TRUE(answer.size() > before.size() || answer > before) << before << ", " << answer;
    before = answer;
    EXPECT_EQ(child.ask("release " + path), "released");
  }
}

// A client whose request has been sent has arrived, even if the daemon has not read it yet, and no
// later one gets the lock before it: docs/fast-path.md.
TEST_F(Order, Who_came_while_the_daemon_stood_still_is_served_first_C4) {
  Child holder(program());
  Child later(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  ASSERT_TRUE(says(later.ask("lock " + path + " 0"), "timed_out"));
  daemon.freeze();
  const Id first = bob.acquire(path);
  ASSERT_EQ(holder.ask("release " + path), "released");
  ASSERT_TRUE(kernel_admits(path));
  EXPECT_TRUE(says(later.ask("lock " + path + " 0.2"), "timed_out")) << "it overtook";
  const Id second = cal.acquire(path);
  daemon.thaw();
  const Token held = bob.granted(first);
  EXPECT_TRUE(cal.waits(second)) << "it overtook";
  bob.release(held);
  cal.granted(second);
}

TEST_F(Order, Waiters_that_die_leave_the_order_of_the_others_C4_C8) {
  const Token held = ann.lock(path);
  std::deque<Child> children;
  for (std::size_t i = 0; i < 3; ++i) {
    children.emplace_back(program()).say("lock " + path);
    ASSERT_TRUE(eventually_waiting(i + 1));
  }
  const Id last = bob.acquire(path);
  ASSERT_TRUE(bob.waits(last));
  children[1].signal(SIGKILL);
  ASSERT_TRUE(eventually_waiting(3));
  ann.release(held);
  EXPECT_TRUE(says(children[0].line(), "held"));
  children[0].signal(SIGKILL);
  EXPECT_TRUE(says(children[2].line(), "held"));
  EXPECT_TRUE(bob.waits(last));
  children[2].signal(SIGKILL);
  bob.granted(last);
}

TEST_F(Order, Neighbouring_shared_waiters_are_served_together_C4) {
  const Token held = ann.lock(path);
  const Id first = bob.acquire(path, shared());
  const Id second = bob.acquire(path, shared());
  ASSERT_TRUE(bob.waits(second));
  const Id behind = cal.acquire(path);
  ann.release(held);
  const Token one = bob.granted(first);
  const Token other = bob.granted(second);
  bob.release(one);
  EXPECT_TRUE(cal.waits(behind));
  bob.release(other);
  cal.granted(behind);
}

TEST_F(Order, A_later_shared_request_never_overtakes_C4) {
  const Token held = ann.lock(path, shared());
  const Id exclusive = bob.acquire(path);
  ASSERT_TRUE(bob.waits(exclusive));
  EXPECT_FALSE(cal.try_lock(path, shared()));
  const Id later = cal.acquire(path, shared());
  EXPECT_TRUE(cal.waits(later));
  ann.release(held);
  const Token granted = bob.granted(exclusive);
  EXPECT_TRUE(cal.waits(later));
  bob.release(granted);
  cal.granted(later);
}

// ---- Restarts (C9) ----

TEST_F(Order, A_daemon_that_stood_still_hears_who_came_back_before_it_grants_C9) {
  daemon.stop();
  const auto begin = Clock::now();
  daemon.start();
  RawClient later(daemon.socket());
  const auto file = open_file(path);
  const Id later_wait = later.start("reclaim", {{"path", path}, {"ticket", 20}}, {file.get()});
  ASSERT_TRUE(later.waits(later_wait) || seconds_since(begin) > 0.2);
  daemon.freeze();
  if (seconds_since(begin) > 0.2) GTEST_SKIP() << "too slow: its time to come back was over";

  const auto other_file = open_file(path);
  RawClient earlier(daemon.socket(), RawClient::Greeting::none);
  earlier.start("hello", {{"protocol", 1}});
  const Id earlier_wait =
      earlier.start("reclaim", {{"path", path}, {"ticket", 10}}, {other_file.get()});
  let_pass(std::chrono::milliseconds(400));
  daemon.thaw();
  earlier.granted(earlier_wait);
  EXPECT_TRUE(later.waits(later_wait));
}

}  // namespace
}  // namespace locket::test
