// locketd as a program: its options, its socket, its start and its end.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "proto/version.hpp"
#include "tests/integration/lock_test.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::test {
namespace {

proto::Descriptor listening_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  proto::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(socket.get(), 5), 0);
  return socket;
}

long lines_in(const std::string& text) {
  return std::ranges::count(text, '\n');
}

class Program : public ::testing::Test {
 protected:
  static Ended locketd(const std::vector<std::string>& options) {
    Command command{{LOCKETD}};
    command.words.insert(command.words.end(), options.begin(), options.end());
    return run(command);
  }

  // It must not start, and say why in one line.
  void expect_refusal(const std::string& path, const std::string& reason) const {
    const Ended ended = run(Daemon::command(path));
    EXPECT_NE(ended.status, 0);
    EXPECT_EQ(ended.output, "");
    EXPECT_EQ(lines_in(ended.errors), 1) << ended.errors;
    EXPECT_NE(ended.errors.find(reason), std::string::npos) << ended.errors;
    EXPECT_NE(ended.errors.find(path.substr(0, 40)), std::string::npos) << ended.errors;
  }

  static void expect_clean_end(Child& daemon, int signal) {
    daemon.signal(signal);
    const Ended ended = daemon.finish();
    EXPECT_EQ(ended.status, 0) << ended.errors;
  }

  static mode_t mode_of(const std::string& path) {
    struct stat info{};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }

  TemporaryFolder folder_;
  std::string socket_ = folder_ / "locketd.sock";
};

// ---- Options ----

TEST_F(Program, Help_explains_every_option) {
  const Ended ended = locketd({"--help"});
  EXPECT_EQ(ended.status, 0);
  for (const char* option : {"--socket", "--log-level", "--version", "--help"}) {
    EXPECT_NE(ended.output.find(option), std::string::npos) << option;
  }
  EXPECT_EQ(ended.errors, "");
}

TEST_F(Program, Version_is_one_line) {
  const Ended ended = locketd({"--version"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.output, "locketd " + std::string(proto::kVersion) + '\n');
}

TEST_F(Program, A_mistake_on_the_command_line_is_one_line_and_status_64) {
  for (const std::vector<std::string>& options : {std::vector<std::string>{"--no-such-option"},
                                                  {"--socket"},
                                                  {"--log-level", "loud"},
                                                  {"--socket", ""},
                                                  {"--socket", std::string(108, 'x')},
                                                  {"--\x1b[31m"},
                                                  {"word"}}) {
    const Ended ended = locketd(options);
    EXPECT_EQ(ended.status, EX_USAGE) << options[0];
    EXPECT_EQ(ended.output, "");
    EXPECT_EQ(lines_in(ended.errors), 1) << ended.errors;
    EXPECT_TRUE(ended.errors.starts_with("locketd: ")) << ended.errors;
    EXPECT_EQ(ended.errors.find('\x1b'), std::string::npos) << "what a terminal would obey";
  }
}

TEST_F(Program, At_debug_it_logs_what_happens_and_at_error_nothing) {
  for (const char* level : {"debug", "error"}) {
    Child daemon(Daemon::command(socket_, {"--log-level", level}));
    ASSERT_TRUE(eventually([&] { return answers(socket_); }));
    RawClient client(socket_);
    client.release(client.lock(folder_.file("some.lock")));
    EXPECT_EQ(daemon.errors().find("some.lock") != std::string::npos,
              level == std::string("debug"));
    expect_clean_end(daemon, SIGTERM);
  }
}

TEST_F(Program, The_environment_says_where_to_listen) {
  Child daemon({{LOCKETD}, {{"LOCKET_SOCKET", socket_}}});
  EXPECT_TRUE(eventually([&] { return answers(socket_); }));
  expect_clean_end(daemon, SIGTERM);

  Command command{{"env", "--unset=LOCKET_SOCKET", LOCKETD}, {{"XDG_RUNTIME_DIR", folder_.path()}}};
  Child users(command);
  EXPECT_TRUE(eventually([&] { return answers(folder_ / "locket/locketd.sock"); }));
  expect_clean_end(users, SIGTERM);
}

// ---- Its socket ----

TEST_F(Program, A_socket_that_systemd_hands_over_is_used_and_stays) {
  const proto::Descriptor handed = listening_socket(socket_);
  // systemd.exec(5): the variable names the process it is meant for.
  Command command{{"sh", "-c", "LISTEN_PID=$$ exec \"$0\"", LOCKETD}, {{"LISTEN_FDS", "1"}}};
  command.descriptors = {{handed.get(), 3}};
  Child daemon(command);
  RawClient client(socket_);
  EXPECT_EQ(client.call("status")["socket"], socket_);
  EXPECT_EQ(client.call("status")["pid"], daemon.pid());
  client.lock(folder_.file("some.lock"));
  expect_clean_end(daemon, SIGTERM);
  EXPECT_TRUE(std::filesystem::exists(socket_));
}

TEST_F(Program, A_socket_that_was_handed_to_another_process_is_not_taken) {
  const proto::Descriptor handed = listening_socket(folder_ / "other.sock");
  Command command = Daemon::command(socket_);
  command.environment = {{"LISTEN_FDS", "1"}, {"LISTEN_PID", "1"}};
  command.descriptors = {{handed.get(), 3}};
  Child daemon(command);
  EXPECT_TRUE(eventually([&] { return answers(socket_); }));
  expect_clean_end(daemon, SIGTERM);
}

TEST_F(Program, It_takes_one_socket_that_listens_and_no_other_descriptor) {
  const auto started_with = [](int descriptor, const std::string& count) {
    Command command{{"sh", "-c", "LISTEN_PID=$$ exec \"$0\"", LOCKETD}, {{"LISTEN_FDS", count}}};
    command.descriptors = {{descriptor, 3}};
    return run(command);
  };
  const proto::Descriptor handed = listening_socket(socket_);
  EXPECT_NE(started_with(handed.get(), "2").errors.find("one socket"), std::string::npos);
  const proto::Descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Ended ended = started_with(file.get(), "1");
  EXPECT_EQ(ended.status, EX_UNAVAILABLE);
  EXPECT_EQ(lines_in(ended.errors), 1) << ended.errors;
  EXPECT_NE(ended.errors.find("not a listening"), std::string::npos) << ended.errors;
}

TEST_F(Program, It_refuses_to_start_where_a_daemon_answers) {
  Child first(Daemon::command(socket_));
  ASSERT_TRUE(eventually([&] { return answers(socket_); }));
  expect_refusal(socket_, "another locketd already runs");
  EXPECT_TRUE(answers(socket_));
  expect_clean_end(first, SIGTERM);
}

TEST_F(Program, It_refuses_to_start_where_another_program_answers) {
  const proto::Descriptor other = listening_socket(socket_);
  expect_refusal(socket_, "already answers");
  EXPECT_TRUE(answers(socket_));
}

TEST_F(Program, It_refuses_to_start_where_a_frozen_daemon_listens) {
  Child first(Daemon::command(socket_));
  ASSERT_TRUE(eventually([&] { return answers(socket_); }));
  first.signal(SIGSTOP);
  ASSERT_TRUE(eventually([&] { return state_of(first.pid()) == 'T'; }));
  expect_refusal(socket_, "another locketd already runs");
  first.signal(SIGCONT);
  expect_clean_end(first, SIGTERM);
}

TEST_F(Program, It_replaces_a_socket_that_nobody_answers_at) {
  {
    const proto::Descriptor left_over = listening_socket(socket_);
  }
  ASSERT_TRUE(std::filesystem::exists(socket_));
  Child daemon(Daemon::command(socket_));
  EXPECT_TRUE(eventually([&] { return answers(socket_); }));
  expect_clean_end(daemon, SIGTERM);
}

TEST_F(Program, It_replaces_the_socket_of_a_daemon_that_was_killed) {
  {
    Child killed(Daemon::command(socket_));
    ASSERT_TRUE(eventually([&] { return answers(socket_); }));
  }
  Child daemon(Daemon::command(socket_));
  EXPECT_TRUE(eventually([&] { return answers(socket_); }));
  expect_clean_end(daemon, SIGTERM);
}

TEST_F(Program, Of_two_that_start_at_once_one_serves) {
  for (int round = 0; round < 10; ++round) {
    Child one(Daemon::command(socket_));
    Child other(Daemon::command(socket_));
    const auto has_ended = [](const Child& child) { return state_of(child.pid()) == 'Z'; };
    ASSERT_TRUE(eventually([&] { return has_ended(one) || has_ended(other); }));
    Child& server = has_ended(one) ? other : one;
    Child& loser = has_ended(one) ? one : other;
    EXPECT_TRUE(eventually([&] { return answers(socket_); }));
    EXPECT_EQ(loser.finish().status, EX_UNAVAILABLE);
    expect_clean_end(server, SIGTERM);
  }
}

TEST_F(Program, It_refuses_what_is_in_the_way_and_no_socket) {
  write_file(socket_, "precious");
  expect_refusal(socket_, "in the way");
  EXPECT_EQ(read_file(socket_), "precious");
  EXPECT_FALSE(std::filesystem::exists(socket_ + ".lock"));
}

TEST_F(Program, A_socket_that_cannot_be_made_is_named_as_it_was_given) {
  expect_refusal("/proc/x", "cannot listen on /proc/x: ");
}

// A user who starts it by hand, without XDG_RUNTIME_DIR, may not write to /run.
TEST_F(Program, Where_it_cannot_listen_it_says_that_there_is_an_option) {
  for (const char* socket : {"/proc/x", "/proc/x/locketd.sock"}) {
    expect_refusal(socket, "; give another --socket\n");
  }
}

TEST_F(Program, It_makes_its_folder_so_that_nobody_else_can_replace_the_socket) {
  const std::string deep = folder_ / "some/where/locketd.sock";
  Command command = Daemon::command(deep);
  command.umask = 0;
  Child daemon(command);
  ASSERT_TRUE(eventually([&] { return answers(deep); }));
  const bool root = ::geteuid() == 0;
  EXPECT_EQ(mode_of(folder_ / "some/where"), root ? 0755U : 0700U);
  EXPECT_EQ(mode_of(deep), root ? 0666U : 0600U);
  expect_clean_end(daemon, SIGTERM);
}

TEST_F(Program, It_leaves_no_socket_behind_but_never_removes_anothers) {
  Child daemon(Daemon::command(socket_));
  ASSERT_TRUE(eventually([&] { return answers(socket_); }));
  expect_clean_end(daemon, SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(socket_));

  Child second(Daemon::command(socket_));
  ASSERT_TRUE(eventually([&] { return answers(socket_); }));
  std::filesystem::remove(socket_);
  const proto::Descriptor other = listening_socket(socket_);
  expect_clean_end(second, SIGTERM);
  EXPECT_TRUE(answers(socket_));
}

// ---- Its end ----

TEST_F(Program, It_ends_cleanly_however_soon_it_is_told_to) {
  for (int round = 0; round < 20; ++round) {
    Child daemon(Daemon::command(socket_));
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(socket_); }));
    expect_clean_end(daemon, SIGTERM);
    EXPECT_FALSE(std::filesystem::exists(socket_));
  }
}

class End : public LockTest, public ::testing::WithParamInterface<int> {};

TEST_P(End, Holders_keep_their_kernel_lock_and_waiters_wait_on_C9) {
  const std::string socket = folder / "another.sock";
  Child ended(Daemon::command(socket));
  ASSERT_TRUE(eventually([&] { return answers(socket); }));
  Command command = program();
  command.environment["LOCKET_SOCKET"] = socket;
  Child holder(command);
  Child waiter(command);
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  waiter.say("lock " + path);
  RawClient client(socket);
  ASSERT_TRUE(eventually([&] { return client.call("status")["waiters"] == 1; }));
  const KernelLock outsider(folder.file("theirs.lock"));
  ASSERT_TRUE(client.waits(client.acquire(folder / "theirs.lock")));

  ended.signal(GetParam());
  EXPECT_EQ(ended.finish().status, 0) << ended.errors();
  EXPECT_TRUE(client.is_ended_by_daemon());
  EXPECT_FALSE(kernel_admits(path));
  EXPECT_EQ(holder.ask("release " + path), "released");
  EXPECT_TRUE(kernel_admits(path));

  Child next(Daemon::command(socket));
  EXPECT_TRUE(says(waiter.line(), "held"));
}

INSTANTIATE_TEST_SUITE_P(Program, End, ::testing::Values(SIGTERM, SIGINT), [](const auto& signal) {
  return signal.param == SIGTERM ? "by_SIGTERM" : "by_SIGINT";
});

}  // namespace
}  // namespace locket::test
