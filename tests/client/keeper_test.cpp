// The library's own thread: that it sleeps, and what is done without it.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/client/reclaim_fixture.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;
using test::eventually;

// /proc/self/task/TID of the thread of that name; empty where there is none.
std::string task_named(const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string found;
    std::getline(std::ifstream(task.path() / "comm"), found);
    if (found == name) return task.path();
  }
  return {};
}

bool sleeps(const std::string& task) {
  std::string line;
  std::getline(std::ifstream(task + "/stat"), line);
  return line.find(") S ") != std::string::npos;
}

// How often it has gone to sleep.
long switches(const std::string& task) {
  std::ifstream status(task + "/status");
  for (std::string word; status >> word;) {
    long count = 0;
    if (word == "voluntary_ctxt_switches:" && status >> count) return count;
  }
  return -1;
}

class KeeperTest : public ReclaimTest {};

TEST_F(KeeperTest, There_is_none_before_there_is_something_to_lose) {
  auto pending = process.connection.start(proto::Status{}, kNever);
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::StatusReport{});
  ASSERT_TRUE(pending->wait(kNever));
  EXPECT_EQ(task_named("locket-keeper"), "");
}

TEST_F(KeeperTest, It_sleeps_through_data_and_time_under_a_healthy_daemon) {
  const auto lock = make(path);
  acquire(*lock, 7);
  std::string task;
  ASSERT_TRUE(eventually([&] { return !(task = task_named("locket-keeper")).empty(); }));
  ASSERT_TRUE(eventually([&] { return sleeps(task); }));
  const long before = switches(task);
  for (proto::Token token = 8; token < 50; ++token) {
    EXPECT_TRUE(lock->release());
    EXPECT_EQ(daemon.next_call<proto::Release>().token, token - 1);
    acquire(*lock, token);
  }
  daemon.reply(4711, proto::Grant{99});  // data that nobody waits for
  test::let_pass(200ms);
  EXPECT_EQ(switches(task), before);
}

TEST_F(KeeperTest, With_nothing_to_lose_it_does_not_look_for_a_daemon) {
  const auto lock = make(path);
  acquire(*lock, 7);
  EXPECT_TRUE(lock->release());
  std::string task;
  ASSERT_TRUE(eventually([&] { return !(task = task_named("locket-keeper")).empty(); }));
  daemon.die();
  ASSERT_TRUE(eventually([&] { return process.connection.absence().has_value(); }));
  ASSERT_TRUE(eventually([&] { return sleeps(task); }));
  const long before = switches(task);
  test::let_pass(300ms);
  EXPECT_LE(switches(task), before + 1);
}

TEST_F(KeeperTest, What_a_stopped_daemon_did_not_take_reaches_it_when_it_goes_on_C7) {
  const auto lock = make(path);
  acquire(*lock, 7);
  constexpr proto::Token kNotices = 5'000;
  for (proto::Token token = 1; token <= kNotices; ++token) {
    process.connection.notify(proto::Release{token});
  }
  // Nobody waits and nobody calls.
  for (proto::Token token = 1; token <= kNotices; ++token) {
    ASSERT_EQ(daemon.next_call<proto::Release>().token, token);
  }
}

// With no room for another thread, in a process of a user who is bound by that.
TEST_F(KeeperTest, Without_a_thread_of_its_own_those_who_wait_do_its_work_C9) {
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  std::filesystem::permissions(daemon.socket(), std::filesystem::perms::all);
  std::filesystem::permissions(std::filesystem::path(daemon.socket()).parent_path(),
                               std::filesystem::perms::all);
  constexpr uid_t kNobody = 65534;
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0) ::_exit(2);
    if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) ::_exit(3);
    const auto lock = make(path);
    const auto token = lock->acquire(proto::Mode::exclusive, std::nullopt);
    if (task_named("locket-keeper") != "") ::_exit(4);
    ::_exit(token == 8U ? 0 : 1);
  }
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Waiting{42});
  daemon.die();
  daemon.come_back();
  std::filesystem::permissions(daemon.socket(), std::filesystem::perms::all);
  daemon.welcome();
  const auto request = daemon.next();
  EXPECT_EQ(std::get<proto::Reclaim>(request.call).ticket, 42U);
  daemon.reply(request.id, proto::Grant{8});
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace locket::client
