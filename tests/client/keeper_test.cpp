// The library's own thread: that it sleeps, and what happens without it.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "proto/transport.hpp"
#include "tests/client/reclaim_fixture.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;
using test::eventually;

// /proc/self/task/TID of the thread with that name; empty if there is none.
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
  daemon.reply(4711, proto::Grant{99});  // data that no thread waits for
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
  // No thread waits or calls now.
  for (proto::Token token = 1; token <= kNotices; ++token) {
    ASSERT_EQ(daemon.next_call<proto::Release>().token, token);
  }
}

// Limits that do not bind root need a process of an ordinary user.
class NoRoom : public ReclaimTest {
 protected:
  NoRoom() { open_to_all(); }

  void open_to_all() {
    for (const std::string& open : {folder.path(), daemon.socket(), daemon.folder()}) {
      std::filesystem::permissions(open, std::filesystem::perms::all);
    }
  }

  // The process's exit status is the number of the check that failed; 0: none.
  pid_t as_ordinary_user(const std::function<int()>& body) {
    constexpr uid_t kNobody = 65534;
    constexpr int kCannot = 99;
    const pid_t child = ::fork();
    if (child != 0) return child;
    daemon.die();  // this process's copy, which would keep the socket open
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(20);  // in case the test ends first
    if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) ::_exit(kCannot);
    ::_exit(body());
  }

  static int status_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(NoRoom, Without_a_thread_of_its_own_those_who_wait_do_its_work_C9) {
  const pid_t child = as_ordinary_user([&] {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0) return 2;
    const auto lock = make(path);
    const auto token = lock->acquire(proto::Mode::exclusive, std::nullopt);
    if (task_named("locket-keeper") != "") return 3;
    return token == 8U ? 0 : 1;
  });
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Waiting{42});
  daemon.die();
  daemon.come_back();
  open_to_all();
  daemon.welcome();
  const auto request = daemon.next();
  EXPECT_EQ(std::get<proto::Reclaim>(request.call).ticket, 42U);
  daemon.reply(request.id, proto::Grant{8});
  EXPECT_EQ(status_of(child), 0);
}

// What the program prints would go to the daemon, or into a lock file (C12).
TEST_F(NoRoom, No_descriptor_of_ours_becomes_a_standard_stream_that_is_closed_C6) {
  const pid_t child = as_ordinary_user([&] {
    for (int stream = 0; stream < 3; ++stream) ::close(stream);
    const auto lock = make(path);
    if (lock->acquire(proto::Mode::exclusive, std::nullopt) != 7U) return 1;
    for (int stream = 0; stream < 3; ++stream) {
      if (::fcntl(stream, F_GETFD) >= 0) return 2 + stream;
    }
    return 0;
  });
  daemon.welcome();
  daemon.grant(daemon.next(), 7);
  EXPECT_EQ(status_of(child), 0);
}

// glibc takes it out of each thread's stack.
thread_local std::array<char, std::size_t{512} << 10> of_the_program;

TEST_F(ReclaimTest, A_program_with_much_thread_local_storage_has_a_keeper_C9) {
  of_the_program.back() = 1;
  const auto lock = make(path);
  acquire(*lock, 7);
  EXPECT_TRUE(eventually([&] { return task_named("locket-keeper") != ""; }));
}

// The kernel counts a user's descriptors in flight over all of its sockets (unix(7), ETOOMANYREFS).
class OnTheirWay {
 public:
  explicit OnTheirWay(int count) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) std::abort();
    from_.reset(pair[0]);
    to_.reset(pair[1]);
    for (int i = 0; i < count; ++i) std::ignore = proto::try_send(from_.get(), "x", from_.get());
  }

 private:
  proto::Descriptor from_;
  proto::Descriptor to_;
};

double seconds_of_work() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

TEST_F(NoRoom, Too_many_descriptors_on_their_way_delay_a_claim_and_fail_none_C3) {
  const pid_t child = as_ordinary_user([&] {
    std::optional<OnTheirWay> others(300);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 200;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 2;
    const auto lock = make(path);
    const auto begin = Clock::now();
    const auto timed = lock->acquire(proto::Mode::exclusive, proto::Seconds(0.5));
    if (timed || timed.error().error.code != proto::Errc::timed_out) return 3;
    if (Clock::now() - begin < 500ms) return 4;
    if (Clock::now() - begin > 5s) return 5;
    if (seconds_of_work() > 0.4) return 6;  // not by retrying in a busy loop
    auto granted = acquiring(*lock);
    if (granted.wait_for(50ms) != std::future_status::timeout) return 7;
    others.reset();
    return granted.get() == 8U ? 0 : 8;
  });
  daemon.welcome();
  const auto request = daemon.next();
  EXPECT_FALSE(std::get<proto::Acquire>(request.call).timeout) << "the timed one never left";
  daemon.take_descriptor();
  daemon.reply(request.id, proto::Grant{8});
  EXPECT_EQ(status_of(child), 0);
}

}  // namespace
}  // namespace locket::client
