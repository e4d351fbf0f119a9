// A daemon that dies and comes back while programs use the library: nothing is lost (C9), and
// nothing is late (C3, C7).

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <locket/locket.hpp>
#include <memory>
#include <vector>

#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

using namespace std::chrono_literals;

class Restart : public LockTest {
 protected:
  Restart() { ::setenv("LOCKET_SOCKET", daemon.socket().c_str(), 1); }

  Child& start(const std::string& order) {
    children.push_back(std::make_unique<Child>(program()));
    children.back()->say(order);
    return *children.back();
  }

  // The pids of holders and waiters, in order.
  std::vector<pid_t> in_order() const {
    std::vector<pid_t> pids;
    for (const Json& row : RawClient(daemon.socket()).list()) pids.push_back(row["pid"]);
    return pids;
  }

  // A holder and some waiters, each in the queue before the next one comes.
  std::vector<pid_t> queue(std::size_t waiters) {
    std::vector<pid_t> pids;
    for (std::size_t i = 0; i <= waiters; ++i) {
      pids.push_back(start("lock " + path).pid());
      EXPECT_TRUE(eventually([&] { return in_order() == pids; }));
    }
    return pids;
  }

  std::vector<std::unique_ptr<Child>> children;
};

TEST_F(Restart, A_killed_daemons_successor_knows_holder_and_queue_in_their_order_C9) {
  const auto pids = queue(4);
  const Json before = RawClient(daemon.socket()).list();
  for (int life = 0; life < 3; ++life) {
    daemon.kill();
    EXPECT_FALSE(kernel_admits(path));
    daemon.start();
    EXPECT_TRUE(eventually([&] { return in_order() == pids; }));
  }
  const Json after = RawClient(daemon.socket()).list();
  EXPECT_EQ(after[0]["token"], before[0]["token"]);
  EXPECT_NEAR(after[0]["since"].get<double>(), before[0]["since"].get<double>(), 0.5);
  Token last = 0;
  for (const auto& child : children) {
    const std::string answer = child->line();
    ASSERT_TRUE(says(answer, "held"));
    const Token token = std::stoull(answer.substr(5));
    EXPECT_GT(token, last);
    last = token;
    child->say("release " + path);
    EXPECT_EQ(child->line(), "released");
  }
  EXPECT_TRUE(kernel_admits(path));
}

TEST_F(Restart, A_daemon_that_is_replaced_by_another_is_the_same_C9) {
  const auto pids = queue(3);
  daemon.restart();
  EXPECT_TRUE(eventually([&] { return in_order() == pids; }));
}

TEST_F(Restart, Shared_holders_all_come_back_C9) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(says(start("share " + path).line(), "held"));
  daemon.kill();
  daemon.start();
  EXPECT_TRUE(eventually([&] { return in_order().size() == 3; }));
  EXPECT_TRUE(RawClient(daemon.socket()).try_lock(path, {{"mode", "shared"}}));
  EXPECT_FALSE(RawClient(daemon.socket()).try_lock(path));
}

TEST_F(Restart, Nobody_gets_in_between_holder_and_waiter_C9) {
  queue(1);
  daemon.kill();
  children[0]->line();
  children[0]->say("release " + path);  // while there is no daemon
  EXPECT_EQ(children[0]->line(), "released");
  daemon.start();
  Child& late = start("lock " + path);
  EXPECT_TRUE(says(children[1]->line(), "held"));
  EXPECT_TRUE(eventually([&] { return in_order().size() == 2; }));
  children[1]->say("release " + path);
  EXPECT_TRUE(says(late.line(), "held"));
}

TEST_F(Restart, A_wait_ends_on_time_without_any_daemon_and_says_why_C3) {
  const Token held = ann.lock(path);
  Child& waiting = start("lock " + path + " 0.5");
  const auto begin = Clock::now();
  ASSERT_TRUE(eventually_waiting(1));
  daemon.kill();
  const std::string answer = waiting.line();
  EXPECT_GE(seconds_since(begin), 0.4);
  EXPECT_LT(seconds_since(begin), 5);
  EXPECT_TRUE(says(answer, "timed_out"));
  EXPECT_NE(answer.find("locketd went away and is not back yet"), std::string::npos) << answer;
  EXPECT_GT(held, 0U);
  daemon.start();
}

TEST_F(Restart, A_wait_keeps_its_deadline_through_a_restart_C3) {
  ASSERT_TRUE(says(start("lock " + path).line(), "held"));
  Child& waiting = start("lock " + path + " 1.5");
  const auto begin = Clock::now();
  ASSERT_TRUE(eventually([&] { return in_order().size() == 2; }));
  daemon.kill();
  daemon.start();
  const std::string answer = waiting.line();
  EXPECT_GE(seconds_since(begin), 1.4);
  EXPECT_LT(seconds_since(begin), 10);
  EXPECT_TRUE(says(answer, "timed_out"));
}

TEST_F(Restart, A_release_without_a_daemon_is_final_C7) {
  file_lock lock(path);
  lock.lock();
  daemon.kill();
  lock.release();
  EXPECT_TRUE(kernel_admits(path));
  daemon.start();
  RawClient eve(daemon.socket());
  EXPECT_TRUE(eve.try_lock(path));
}

TEST_F(Restart, Whoever_comes_while_the_daemon_is_away_waits_for_its_return_C9) {
  file_lock lock(path);
  lock.lock();
  lock.release();
  daemon.kill();
  auto locked = std::async(std::launch::async, [&] { return lock.try_lock(); });
  daemon.start();
  EXPECT_TRUE(locked.get());
}

TEST_F(Restart, A_lock_that_somebody_unlocked_meanwhile_is_lost_and_its_holder_is_told_C9) {
  file_lock lock(path);
  std::promise<Token> told;
  lock.on_lost([&](Token token) { told.set_value(token); });
  lock.lock();
  const Token token = lock.token();
  daemon.kill();
  unlock_by_force(path);
  daemon.start();
  EXPECT_EQ(told.get_future().get(), token);
  EXPECT_FALSE(lock.is_held());
  EXPECT_EQ(lock.token(), 0U);
  EXPECT_THROW(lock.release(), lock_lost_error);
  EXPECT_THROW(lock.release(), not_held_error);
  lock.lock();
  lock.release();
}

TEST_F(Restart, A_lock_that_somebody_unlocked_is_known_to_be_lost_while_no_daemon_is_back_C9) {
  file_lock asked(path);
  file_lock released(folder / "released");
  file_lock held(folder / "held");
  std::promise<Token> told;
  asked.on_lost([&](Token token) { told.set_value(token); });
  asked.lock();
  released.lock();
  held.lock();
  const Token token = asked.token();
  daemon.kill();
  unlock_by_force(asked.path());
  unlock_by_force(released.path());
  EXPECT_TRUE(eventually([&] { return !asked.is_held(); }));
  EXPECT_EQ(told.get_future().get(), token);
  EXPECT_THROW(asked.release(), lock_lost_error);
  EXPECT_THROW(asked.release(), not_held_error);
  EXPECT_THROW(released.release(), lock_lost_error);
  EXPECT_TRUE(held.is_held());
  EXPECT_FALSE(kernel_admits(held.path()));
  held.release();
  EXPECT_TRUE(kernel_admits(held.path()));
  daemon.start();
  asked.lock();
  asked.release();
}

// The daemon has only part of the process's holds on record, so the library asks the kernel.
TEST_F(Restart, What_is_found_lost_is_held_in_no_books_C9) {
  file_lock lost(path);
  file_lock second(folder / "second");
  file_lock third(folder / "third");
  for (file_lock* lock : {&lost, &second, &third}) lock->lock();
  daemon.kill();
  ::setenv("LOCKETD_MAX_HELD_PER_USER", "2", 1);
  daemon.start();
  ::unsetenv("LOCKETD_MAX_HELD_PER_USER");
  const auto held = [&] {
    std::vector<std::string> paths;
    for (const Json& row : RawClient(daemon.socket()).list()) paths.push_back(row["path"]);
    return paths;
  };
  ASSERT_TRUE(eventually([&] { return held() == std::vector{lost.path(), second.path()}; }));
  unlock_by_force(path);
  EXPECT_FALSE(lost.is_held());
  EXPECT_TRUE(eventually([&] { return held() == std::vector{second.path(), third.path()}; }));
}

TEST_F(Restart, A_command_that_waits_for_its_lock_gets_it_from_the_next_daemon_C9) {
  ASSERT_TRUE(says(start("lock " + path).line(), "held"));
  Child command(locketctl({"run", path, "sh", "-c", "echo running; read line"}));
  ASSERT_TRUE(eventually([&] { return in_order().size() == 2; }));
  daemon.kill();
  daemon.start();
  ASSERT_TRUE(eventually([&] { return in_order().size() == 2; }));
  children[0]->say("release " + path);
  EXPECT_EQ(command.line(), "running");
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_EQ(in_order(), std::vector<pid_t>{command.pid()});
  command.finish();
  EXPECT_TRUE(eventually([&] { return kernel_admits(path); }));
}

TEST_F(Restart, A_program_keeps_its_lock_when_it_becomes_another) {
  Child& child = start("lock " + path);
  ASSERT_TRUE(says(child.line(), "held"));
  child.say("become " + path + " cat");
  // Input sent before it has become `cat` would be read by the program itself.
  const auto become = [&] { return read_file("/proc/" + std::to_string(child.pid()) + "/comm"); };
  ASSERT_TRUE(eventually([&] { return become() == "cat\n"; }));
  EXPECT_EQ(child.ask("meow"), "meow");
  const Json row = RawClient(daemon.socket()).list().at(0);
  EXPECT_EQ(row["pid"], child.pid());
  EXPECT_EQ(row["command"], "cat");
  daemon.kill();
  EXPECT_FALSE(kernel_admits(path)) << "by the descriptor that it inherited";
  daemon.start();
  child.finish();
  EXPECT_TRUE(eventually([&] { return kernel_admits(path); }));
}

TEST_F(Restart, A_program_that_cannot_become_another_still_holds_its_lock) {
  Child& child = start("lock " + path);
  ASSERT_TRUE(says(child.line(), "held"));
  EXPECT_EQ(child.ask("become " + path + " /nowhere/program"), "still here");
  EXPECT_FALSE(ann.try_lock(path));
  EXPECT_EQ(child.ask("release " + path), "released");
  EXPECT_TRUE(ann.try_lock(path));
}

}  // namespace
}  // namespace locket::test
