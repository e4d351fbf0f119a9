// Clients that die, in whatever state, and those that only seem to: C8.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iostream>
#include <tuple>

#include "tests/integration/lock_test.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::test {
namespace {

class Deaths : public LockTest {
 protected:
  void stop(const Child& child) {
    child.signal(SIGSTOP);
    ASSERT_TRUE(eventually([&] { return state_of(child.pid()) == 'T'; }));
  }
};

TEST_F(Deaths, A_stopped_holder_keeps_its_lock_C8) {
  Child holder(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  stop(holder);
  EXPECT_FALSE(ann.try_lock(path));
  EXPECT_FALSE(kernel_admits(path));
  holder.signal(SIGCONT);
  EXPECT_EQ(holder.ask("release " + path), "released");
  EXPECT_TRUE(ann.try_lock(path));
}

TEST_F(Deaths, A_stopped_holder_that_is_killed_holds_nothing_C8) {
  Child holder(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  const Id waiting = ann.acquire(path);
  stop(holder);
  ASSERT_TRUE(ann.waits(waiting));
  holder.signal(SIGKILL);
  ann.granted(waiting);
}

TEST_F(Deaths, A_stopped_waiter_keeps_its_place_and_the_others_go_on_without_it_when_it_dies_C8) {
  const Token held = ann.lock(path);
  Child waiter(program());
  waiter.say("lock " + path);
  ASSERT_TRUE(eventually_waiting(1));
  const Id behind = bob.acquire(path);
  stop(waiter);
  ann.release(held);
  EXPECT_TRUE(bob.waits(behind)) << "it was the stopped one's turn";
  waiter.signal(SIGKILL);
  bob.granted(behind);
}

TEST_F(Deaths, One_that_is_killed_in_the_middle_of_a_message_holds_nothing_C8) {
  const std::string mine = path;
  const std::string socket = daemon.socket();
  Id waiting = 0;
  {
    const Bystander killed(::geteuid(), [&] {
      static RawClient client(socket);
      client.lock(mine);
      const proto::Descriptor file = open_file(mine);
      client.send_bytes(R"({"jsonrpc":"2.0","id":99,"method":"acq)", {file.get()});
    });
    waiting = ann.acquire(path);
    ASSERT_TRUE(ann.waits(waiting));
  }
  ann.granted(waiting);
  EXPECT_TRUE(eventually([&] { return ann.call("status")["sessions"] == 3; }));
}

// For a client that is not liblocket, which closes its connection in a forked child: here the
// connection's end does not reveal the death.
TEST_F(Deaths, One_that_is_killed_holds_nothing_although_its_child_has_its_connection_C8) {
  const std::string mine = path;
  const std::string socket = daemon.socket();
  std::array<int, 2> ends{};  // of a pipe: the child lives as long as this test has the second
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const proto::Descriptor life(ends[0]);
  proto::Descriptor test_itself(ends[1]);
  Id waiting = 0;
  {
    const Bystander killed(::geteuid(), [&] {
      static RawClient client(socket);
      client.lock(mine);
      test_itself.reset();
      if (::fork() != 0) return;
      char byte = 0;
      std::ignore = ::read(life.get(), &byte, 1);
      ::_exit(0);
    });
    waiting = ann.acquire(path);
    ASSERT_TRUE(ann.waits(waiting));
  }
  ann.granted(waiting);
}

TEST_F(Deaths, A_daemon_that_a_command_has_started_keeps_nothing_locked_C8) {
  // It inherits all that the command has open, including the lock file, and lives on.
  Child command(locketctl(
      {"run", path, "--", "sh", "-c", "setsid sh -c 'echo $$; exec sleep 60' & read pid; exit 7"}));
  const pid_t daemonised = std::stoi(command.line());
  const Id waiting = ann.acquire(path);
  ASSERT_TRUE(ann.waits(waiting));
  command.say("go");
  ann.granted(waiting);
  EXPECT_NE(state_of(daemonised), '\0') << "it should have lived";
  ::kill(daemonised, SIGKILL);  // else the test would wait for its copy of the command's output
  EXPECT_EQ(command.finish().status, 7);
}

TEST_F(Deaths, Ten_thousand_sessions_leave_nothing_behind) {
  constexpr int kSessions = 10'000;
  const auto use = [&] {
    RawClient client(daemon.socket());
    client.lock(path);
  };
  for (int i = 0; i < kSessions / 10; ++i) use();  // makes what is kept for good
  const auto settled = [&] { return ann.call("status")["sessions"] == 3; };
  ASSERT_TRUE(eventually(settled));
  const auto threads = threads_of(daemon.pid()).size();
  const auto descriptors = open_descriptors(daemon.pid()).size();
  const auto memory = resident_bytes(daemon.pid());
  for (int i = kSessions / 10; i < kSessions; ++i) use();
  ASSERT_TRUE(eventually(settled));
  EXPECT_TRUE(eventually([&] { return open_descriptors(daemon.pid()).size() <= descriptors; }));
  EXPECT_LE(threads_of(daemon.pid()).size(), threads);
  const auto after = resident_bytes(daemon.pid());
  std::cout << "resident: " << memory / 1024 << " KiB, then " << after / 1024 << " KiB\n";
#ifndef LOCKET_SANITIZED  // which keeps what was freed, to notice its use
  EXPECT_LT(after, memory + (std::size_t{16} << 20));
#endif
}

}  // namespace
}  // namespace locket::test
