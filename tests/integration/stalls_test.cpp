// Files that hang as long as their file system likes delay only those who use them (C15).

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <iostream>
#include <memory>
#include <vector>

#include "tests/integration/slow_files.hpp"

namespace locket::test {
namespace {

using proto::Descriptor;
using Stalls = SlowFiles;

class StallsIn : public Stalls, public ::testing::WithParamInterface<const char*> {};

TEST_P(StallsIn, This_call_hangs_and_nobody_else_notices_C15) {
  const std::string operation = GetParam();
  SlowFileSystem slow;
  SKIP_UNLESS_MOUNTED(slow);
  RawClient victim(daemon.socket());
  RawClient other(daemon.socket());
  files_.push_back(open_file(slow / "one"));
  files_.push_back(open_file(slow / "two"));
  slow.stall(operation);
  // One lock that is granted and released, one that is held at the end, and one whose file is
  // refused.
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const Id id = victim.start("acquire", {{"path", "/slow"}}, {files_[i].get()});
    if (operation == "flock") continue;
    const Token token = victim.granted(id);
    if (i == 0) victim.notify("release", {{"token", token}});
  }
  other.start("acquire", {{"path", 5}}, {files_[0].get()});
  if (operation == "flock" || operation == "flush") {
    ASSERT_TRUE(eventually([&] { return slow.held(operation) >= 2; }));
  }
  const double during = expect_service();
  victim.close();
  other.close();
  EXPECT_TRUE(eventually_alone());
  const double after = expect_service();
  std::cout << "worst answer while " << operation << " hangs: " << std::max(during, after) * 1e3
            << " ms; " << slow.held(operation) << " hang\n";
  slow.go();
  files_.clear();
}

INSTANTIATE_TEST_SUITE_P(Each, StallsIn,
                         ::testing::Values("getattr", "statfs", "open", "flock", "flush",
                                           "release"),
                         [](const auto& param) { return std::string(param.param); });

TEST_F(Stalls, Many_hanging_files_of_one_user_leave_threads_for_the_slow_files_of_others_C15) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
  SlowFileSystem hanging;
  SlowFileSystem working;
  SKIP_UNLESS_MOUNTED(hanging);
  SKIP_UNLESS_MOUNTED(working);
  RawClient nobody = client_of_nobody();
  for (int i = 0; i < 200; ++i) files_.push_back(open_file(hanging / std::to_string(i)));
  hanging.stall("flock flush");
  for (const Descriptor& file : files_) nobody.start("acquire", {{"path", "/slow"}}, {file.get()});
  ASSERT_TRUE(eventually([&] { return hanging.held("flock") == kSlowThreadsOfUser; }));
  double worst = 0;
  for (int i = 0; i < 20; ++i) {
    const auto begin = Clock::now();
    const Token token = ann.lock(working / "some.lock");
    worst = std::max(worst, seconds_since(begin));
    EXPECT_FALSE(kernel_admits(working / "some.lock"));
    ann.release(token);
  }
  EXPECT_LT(worst, kMuch);
  std::cout << "worst answer for a slow file of another user: " << worst * 1e3 << " ms\n";
  EXPECT_EQ(hanging.held("flock"), kSlowThreadsOfUser);
  expect_service();
  nobody.close();
  expect_service();
  EXPECT_LE(threads_started(), kSlowThreadsOfUser + 1);
  hanging.go();
  files_.clear();
}

TEST_F(Stalls, When_the_daemon_goes_a_hanging_file_delays_no_other_of_its_process_C9_C15) {
  SlowFileSystem slow;
  SKIP_UNLESS_MOUNTED(slow);
  const std::string local = folder.file("local.lock");
  Child program(
      {{LOCK_PROGRAM, "both", slow / "one", local}, {{"LOCKET_SOCKET", daemon.socket()}}});
  std::ignore = ann.lock(slow / "one");
  ASSERT_EQ(program.ask("begin"), "held");
  ASSERT_TRUE(eventually([&] { return bob.call("status")["waiters"] == 1; }));
  slow.stall("flock");
  daemon.kill();
  daemon.start();
  ASSERT_TRUE(eventually([&] { return slow.held("flock") > 0; }));
  const auto begin = Clock::now();
  EXPECT_EQ(program.ask("again"), "held");
  EXPECT_LT(seconds_since(begin), kMuch);
  slow.go();
  EXPECT_EQ(program.finish().status, 0);
  ann = RawClient(daemon.socket());
  bob = RawClient(daemon.socket());
  cal = RawClient(daemon.socket());
  SetUp();
}

TEST_F(Stalls, The_daemon_ends_while_a_file_hangs_C9) {
  SlowFileSystem slow;
  SKIP_UNLESS_MOUNTED(slow);
  ann.lock(path);
  bob.acquire(path);
  files_.push_back(open_file(slow / "one"));
  // Not flush: the successor, started by fork and exec, would hang in closing what it inherited.
  slow.stall("flock");
  RawClient victim(daemon.socket());
  victim.start("acquire", {{"path", "/slow"}}, {files_.back().get()});
  ASSERT_TRUE(eventually([&] { return slow.held("flock") == 1; }));

  const auto begin = Clock::now();
  ::kill(daemon.pid(), SIGTERM);
  EXPECT_TRUE(ann.is_ended_by_daemon());
  EXPECT_TRUE(victim.is_ended_by_daemon());
  EXPECT_FALSE(answers(daemon.socket()));
  EXPECT_LT(seconds_since(begin), kMuch);
  std::cout << "connections closed after " << seconds_since(begin) * 1e3 << " ms\n";
  // Its copies of other files must not outlive the shutdown, or a client that dies now would go on
  // holding its lock.
  EXPECT_TRUE(eventually([&] {
    return std::ranges::none_of(open_descriptors(daemon.pid()),
                                [&](const std::string& file) { return file == path; });
  }));
  {
    Child successor(Daemon::command(daemon.socket()));
    EXPECT_TRUE(eventually([&] { return answers(daemon.socket()); }));
    RawClient dan(daemon.socket());
    dan.lock(folder.file("other.lock"));
    successor.signal(SIGTERM);
    EXPECT_EQ(successor.finish().status, 0);
  }
  slow.go();
  files_.clear();
  daemon.restart();
  ann = RawClient(daemon.socket());
  bob = RawClient(daemon.socket());
  cal = RawClient(daemon.socket());
  SetUp();
}

// Out of memory, which is how a daemon really fails. Sanitizers end the process themselves then.
#ifndef LOCKET_SANITIZED
TEST_F(Stalls, A_daemon_that_fails_while_a_file_hangs_ends_all_the_same_and_says_why_C9) {
  SlowFileSystem slow;
  SKIP_UNLESS_MOUNTED(slow);
  const std::string socket = folder / "failing.sock";
  Child failing(Daemon::command(socket));
  ASSERT_TRUE(eventually([&] { return answers(socket); }));
  RawClient holder(socket);
  const Descriptor held = open_file(path);
  holder.granted(holder.start("acquire", {{"path", path}}, {held.get()}));
  files_.push_back(open_file(slow / "one"));
  slow.stall("flock");
  RawClient victim(socket);
  victim.start("acquire", {{"path", "/slow"}}, {files_.back().get()});
  ASSERT_TRUE(eventually([&] { return slow.held("flock") == 1; }));

  const rlimit none{1, 1};
  ASSERT_EQ(::prlimit(failing.pid(), RLIMIT_DATA, &none, nullptr), 0);
  RawClient greedy(socket);
  const std::string reason(1000, 'r');
  Id id = 0;
  EXPECT_TRUE(eventually([&] {
    const proto::Descriptor file = open_file(path);
    return !greedy.send({{"jsonrpc", "2.0"},
                         {"id", ++id},
                         {"method", "acquire"},
                         {"params", {{"path", path}, {"reason", reason}}}},
                        {file.get()});
  }));
  EXPECT_TRUE(holder.is_ended_by_daemon());
  EXPECT_TRUE(victim.is_ended_by_daemon());
  EXPECT_FALSE(answers(socket));
  EXPECT_FALSE(kernel_admits(path));
  slow.go();
  const Ended ended = failing.wait();
  EXPECT_EQ(ended.status, 70);
  EXPECT_NE(ended.errors.find("bad_alloc"), std::string::npos) << ended.errors;
  files_.clear();
}
#endif

TEST_F(Stalls, A_wait_for_an_outsider_on_a_hanging_file_ends_and_threads_remain_for_others_C15) {
  SlowFileSystem slow;
  SKIP_UNLESS_MOUNTED(slow);
  auto outsider = std::make_unique<KernelLock>(slow / "one");
  RawClient victim(daemon.socket());
  const Id id = pass(victim, slow / "one");
  ASSERT_TRUE(eventually([&] { return cal.list().at(0)["external"] == true; }));
  slow.stall("flock");
  // Its thread waits in the file system, which ignores the signal.
  victim.notify("cancel", {{"id", id}});
  expect_service();
  KernelLock local_outsider(folder.file("local.lock"));
  const Id local = ann.acquire(folder / "local.lock");
  ASSERT_TRUE(ann.waits(local));
  local_outsider.unlock();
  ann.release(ann.granted(local));
  slow.go();
  outsider.reset();
  victim.close();
  files_.clear();
}

TEST_F(Stalls, One_user_waiting_for_many_outsiders_leaves_threads_for_others_C15) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
  constexpr std::size_t kWaits = 80;
  std::deque<KernelLock> outsiders;
  RawClient nobody = client_of_nobody();
  std::vector<Id> waiting;
  for (std::size_t i = 0; i < kWaits; ++i) {
    const std::string file = folder.file("lock" + std::to_string(i));
    outsiders.emplace_back(file);
    waiting.push_back(nobody.acquire(file));
  }
  ASSERT_TRUE(nobody.waits(waiting.back()));
  EXPECT_EQ(threads_started(), kWaitThreadsOfUser);
  KernelLock outsider(path);
  const Id id = ann.acquire(path);
  ASSERT_TRUE(ann.waits(id));
  EXPECT_EQ(threads_started(), kWaitThreadsOfUser + 1);
  outsider.unlock();
  ann.release(ann.granted(id));
  for (std::size_t i = kWaits; i-- > 0;) {
    outsiders[i].unlock();
    nobody.granted(waiting[i]);
  }
  nobody.close();
}

// ---- A path alone, which the daemon opens itself ----

TEST_F(Stalls, Opening_a_path_hangs_and_nobody_else_notices_C15) {
  SlowFileSystem slow;
  SKIP_UNLESS_MOUNTED(slow);
  RawClient victim(daemon.socket());
  RawClient leaver(daemon.socket());
  slow.stall("open");
  const auto ask = [](RawClient& client, const std::string& name) {
    return client.start("acquire", {{"path", name}, {"timeout", 3600}});
  };
  const Id kept = ask(victim, slow / "one");
  const Id cancelled = ask(victim, slow / "two");
  ask(leaver, slow / "three");
  ASSERT_TRUE(eventually([&] { return slow.held("open") == 3; }));
  std::cout << "worst answer while open hangs: " << expect_service() * 1e3 << " ms\n";

  // Its id is in use.
  victim.send(
      {{"jsonrpc", "2.0"}, {"id", kept}, {"method", "acquire"}, {"params", {{"path", path}}}});
  EXPECT_EQ(name_of(victim.error(kept)), "invalid_request");
  victim.call("cancel", {{"id", cancelled}});
  EXPECT_EQ(name_of(victim.error(cancelled)), "cancelled");
  // The same id again, while its first request is still being opened.
  victim.send(
      {{"jsonrpc", "2.0"}, {"id", cancelled}, {"method", "acquire"}, {"params", {{"path", path}}}});
  const Token token = victim.granted(cancelled);
  leaver.close();
  EXPECT_TRUE(eventually([&] { return cal.call("status")["sessions"] == 4; }));
  slow.go();
  const Token granted = victim.granted(kept);
  EXPECT_FALSE(kernel_admits(slow / "one"));
  EXPECT_TRUE(eventually([&] { return kernel_admits(slow / "two"); }));
  EXPECT_TRUE(eventually([&] { return kernel_admits(slow / "three"); }));
  victim.release(token);
  victim.release(granted);
  victim.close();
}

// ---- What is no file, but can hang too ----

// A TCP connection whose last close(2) waits for an hour, because its peer does not read.
struct Lingering {
  Descriptor socket;
  Descriptor peer;
};

Lingering lingering_socket() {
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), generic, size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), generic, &size), 0);
  Lingering made{Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}};
  EXPECT_EQ(::connect(made.socket.get(), generic, size), 0);
  made.peer.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const linger wait{.l_onoff = 1, .l_linger = 3600};
  EXPECT_EQ(::setsockopt(made.socket.get(), SOL_SOCKET, SO_LINGER, &wait, sizeof wait), 0);
  const std::array<char, 65536> bytes{};
  while (::send(made.socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
  }
  return made;
}

TEST_F(Stalls, A_socket_that_lingers_in_place_of_a_file_keeps_nobody_waiting_C15) {
  Lingering lingering = lingering_socket();
  // The daemon's copy must be the last one, whose close lingers.
  daemon.freeze();
  const Id id = ann.start("acquire", {{"path", "/socket"}}, {lingering.socket.get()});
  lingering.socket.reset();
  daemon.thaw();
  EXPECT_EQ(name_of(ann.error(id)), "bad_file");
  const auto worst = expect_service();
  std::cout << "worst answer while a socket lingers: " << worst * 1e3 << " ms\n";
}

TEST_F(Stalls, One_that_lingers_in_a_session_that_is_closed_unread_keeps_nobody_waiting_C15) {
  Lingering lingering = lingering_socket();
  daemon.freeze();
  {
    RawClient client(daemon.socket(), RawClient::Greeting::none);
    // This ends the session before the data behind it is read.
    client.send_bytes(std::string(100'000, 'x'));
    client.send_bytes("y", {lingering.socket.get()});
  }
  lingering.socket.reset();
  daemon.thaw();
  const auto worst = expect_service();
  std::cout << "worst answer while a socket lingers: " << worst * 1e3 << " ms\n";
}

}  // namespace
}  // namespace locket::test
