// What the daemon's log says about clients: one line for each refused client and each action forced
// on one, with pid, user and path.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "proto/limits.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {
namespace {

// daemon/line_budget.hpp
constexpr std::size_t kLines = 20;

class Incidents : public ::testing::Test {
 protected:
  void start(const std::vector<std::string>& options = {}) {
    daemon_ = std::make_unique<Child>(Daemon::command(socket_, options));
    ASSERT_TRUE(eventually([&] { return answers(socket_); })) << log();
  }

  void stop() {
    daemon_->signal(SIGTERM);
    const Ended ended = daemon_->finish();
    EXPECT_EQ(ended.status, 0) << ended.errors;
    last_words_ = ended.errors;
    daemon_.reset();
  }

  void TearDown() override {
    if (daemon_) stop();
  }

  [[nodiscard]] std::string log() const { return daemon_ ? daemon_->errors() : last_words_; }

  // The log lines that contain `what`, each from there on.
  [[nodiscard]] std::vector<std::string> told(const std::string& what) const {
    std::vector<std::string> lines;
    std::istringstream all(log());
    for (std::string line; std::getline(all, line);) {
      if (const auto begin = line.find(what); begin != std::string::npos) {
        lines.push_back(line.substr(begin));
      }
    }
    return lines;
  }

  // Exactly one line says this, once all that happened before has been handled.
  void expect_told(const std::string& what, const std::string& rest) {
    const std::string line = what + ": " + rest;
    EXPECT_TRUE(eventually([&] { return !told(what).empty(); })) << "not told: " << line;
    RawClient(socket_).call("status");
    ASSERT_EQ(told(what).size(), 1) << log();
    EXPECT_TRUE(told(what)[0].starts_with(line)) << told(what)[0] << "\nis not: " << line;
  }

  static std::string user() { return "user " + std::to_string(::geteuid()); }
  static std::string me() { return "pid " + std::to_string(::getpid()) + ", " + user(); }

  [[nodiscard]] Command program() const { return {{LOCK_PROGRAM}, {{"LOCKET_SOCKET", socket_}}}; }

  TemporaryFolder folder_;
  std::string socket_ = folder_ / "locketd.sock";
  std::string path_ = folder_.file("test.lock");
  std::unique_ptr<Child> daemon_;
  std::string last_words_;
};

// ---- Refused clients ----

TEST_F(Incidents, A_connection_beyond_the_limit_leaves_a_line) {
  start({"--max-sessions-per-user", "2"});
  RawClient client(socket_);
  // The session that checked whether the daemon answers counts, too.
  ASSERT_TRUE(eventually([&] { return client.call("status")["sessions"] == 1; }));
  RawClient other(socket_);
  other.call("status");
  EXPECT_TRUE(RawClient(socket_, RawClient::Greeting::none).is_ended_by_daemon());
  ASSERT_EQ(told("connection refused").size(), 1) << log();
  EXPECT_TRUE(told("connection refused")[0].starts_with("connection refused: " + me() +
                                                        ", path -: " + user() + " has sessions: 2"))
      << log();
}

TEST_F(Incidents, A_lock_beyond_the_limit_leaves_a_line) {
  start({"--max-held-per-user", "1"});
  RawClient client(socket_);
  client.lock(path_);
  client.error(client.acquire(path_));
  expect_told("request refused",
              me() + ", path " + path_ + ": " + user() + " holds locks: 1, which is the limit");
}

TEST_F(Incidents, A_descriptor_that_is_no_files_leaves_a_line) {
  start();
  RawClient client(socket_);
  const proto::Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  client.error(client.start("acquire", {{"path", path_}}, {null.get()}));
  expect_told("request refused",
              me() + ", path " + path_ + ": cannot lock " + path_ + ": it is a character device");
}

TEST_F(Incidents, Bytes_that_are_no_protocol_leave_a_line) {
  start();
  RawClient client(socket_, RawClient::Greeting::none);
  client.send_bytes("GET / HTTP/1.1\n");
  client.next();
  expect_told("request refused", me() + ", path -: ");
}

TEST_F(Incidents, A_session_that_the_daemon_ends_leaves_one_line) {
  start();
  RawClient client(socket_, RawClient::Greeting::none);
  const proto::Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  client.send_bytes("{\n", {null.get()});
  EXPECT_TRUE(client.is_ended_by_daemon());
  expect_told("session ended", me() + ", path -: a descriptor came with a line");
  EXPECT_TRUE(told("request refused").empty()) << log();
}

TEST_F(Incidents, A_client_of_another_protocol_leaves_a_line) {
  start();
  RawClient client(socket_, RawClient::Greeting::none);
  client.answer(client.start("hello", {{"protocol", proto::kProtocolVersion + 1}}));
  expect_told("request refused", me() + ", path -: this is locketd ");
}

TEST_F(Incidents, What_a_client_says_cannot_look_like_a_line_of_the_daemons) {
  start();
  RawClient client(socket_);
  const proto::Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::string path = "/a\nlock lost: pid 1, user 0, path /b: \x1b[2J";
  client.answer(client.start("acquire", {{"path", path}}, {null.get()}));
  expect_told("request refused", me() + ", path /a\\nlock lost: pid 1");
  EXPECT_EQ(log().find("\nlock lost"), std::string::npos);
  EXPECT_EQ(log().find('\x1b'), std::string::npos);
}

// ---- Forced actions ----

TEST_F(Incidents, A_lock_that_a_dead_process_held_leaves_a_line_C8) {
  start();
  Child holder(program());
  holder.ask("lock " + path_);
  holder.signal(SIGKILL);
  holder.wait();
  expect_told("lock taken away",
              "pid " + std::to_string(holder.pid()) + ", " + user() + ", path " + path_ + ": its ");
}

TEST_F(Incidents, What_was_released_in_time_is_not_taken_away) {
  start();
  for (int i = 0; i < 20; ++i) {
    Child holder(program());
    holder.ask("lock " + path_);
    holder.ask("release " + path_);
    holder.signal(SIGKILL);
    holder.wait();
  }
  EXPECT_EQ(run({{LOCKETCTL, "run", path_, "--", "true"}, {{"LOCKET_SOCKET", socket_}}}).status, 0);
  RawClient(socket_).lock(path_);
  EXPECT_TRUE(eventually([&] { return !told("lock taken away").empty(); }));
  EXPECT_EQ(told("lock taken away").size(), 1) << log();
  EXPECT_TRUE(told("lock taken away")[0].starts_with("lock taken away: " + me())) << log();
}

TEST_F(Incidents, What_was_released_before_the_end_is_heard_before_the_end) {
  constexpr std::size_t kMoreThanIsReadAtOnce = 100'000;
  start();
  in_process_of(::geteuid(), [&] {
    RawClient holder(socket_);
    const Token held = holder.lock(path_);
    daemon_->signal(SIGSTOP);
    const std::string notice = R"({"jsonrpc":"2.0","method":"status"})"
                               "\n";
    std::string notices;
    while (notices.size() < kMoreThanIsReadAtOnce) notices += notice;
    holder.send_bytes(notices);
    holder.notify("release", {{"token", held}});
    return 0;
  });
  daemon_->signal(SIGCONT);
  RawClient client(socket_);
  ASSERT_TRUE(eventually([&] { return client.call("status")["sessions"] == 1; }));
  EXPECT_TRUE(told("lock taken away").empty()) << log();
}

// The daemon notices the end when it sends an answer, before it reads what the client had sent.
TEST_F(Incidents, What_was_released_before_the_end_is_heard_before_an_answer_fails) {
  start();
  const std::string other_path = folder_.file("other.lock");
  RawClient other(socket_);
  const Token others = other.lock(other_path);
  in_process_of(::geteuid(), [&] {
    RawClient holder(socket_);
    const Token held = holder.lock(path_);
    EXPECT_TRUE(holder.waits(holder.acquire(other_path)));
    daemon_->signal(SIGSTOP);
    other.notify("release", {{"token", others}});  // first, so that it is served first
    holder.notify("release", {{"token", held}});
    return 0;
  });
  daemon_->signal(SIGCONT);
  ASSERT_TRUE(eventually([&] { return other.call("status")["sessions"] == 1; }));
  for (const std::string& line : told("lock taken away"))
    EXPECT_FALSE(line.contains(path_)) << line;
}

TEST_F(Incidents, A_lock_found_lost_leaves_a_line_C9) {
  start();
  RawClient client(socket_);
  const proto::Descriptor file = open_file(path_);
  client.error(client.start("reclaim", {{"path", path_}, {"token", 7}}, {file.get()}));
  expect_told("lock lost", me() + ", path " + path_ + ": the lock of " + path_ + " was lost");
  EXPECT_TRUE(told("request refused").empty()) << log();
}

// A holder unlocks before it sends the release, and a reclaim may have been sent in between.
TEST_F(Incidents, What_its_holder_released_meanwhile_is_not_lost_C9) {
  start();
  RawClient client(socket_);
  const std::string other = path_ + ".other";
  const proto::Descriptor file = open_file(path_);
  const proto::Descriptor other_file = open_file(other);
  client.error(client.start("reclaim", {{"path", path_}, {"token", 7}}, {file.get()}));
  client.notify("release", {{"token", 7}});
  client.error(client.start("reclaim", {{"path", other}, {"token", 8}}, {other_file.get()}));
  expect_told("lock lost", me() + ", path " + other);
  EXPECT_EQ(log().find(path_ + ":"), std::string::npos) << log();
}

// Otherwise each restart under load would log false losses.
TEST_F(Incidents, A_daemon_that_ends_before_a_release_may_have_come_tells_no_loss_C9) {
  start();
  const auto begin = std::chrono::steady_clock::now();
  RawClient client(socket_);
  const proto::Descriptor file = open_file(path_);
  client.error(client.start("reclaim", {{"path", path_}, {"token", 7}}, {file.get()}));
  stop();
  const bool in_time = std::chrono::steady_clock::now() - begin < std::chrono::seconds(1);
  if (!in_time) GTEST_SKIP() << "this machine is too busy to end a daemon within a second";
  EXPECT_TRUE(told("lock lost").empty()) << log();
}

TEST_F(Incidents, A_kept_session_of_which_a_part_is_missing_leaves_a_line_C9) {
  const std::string lines =
      R"({"jsonrpc":"2.0","id":0,"method":"hello","params":{"protocol":1}})"
      "\n"
      R"({"jsonrpc":"2.0","id":1,"method":"reclaim","params":{"path":"/kept","token":7,"age":1}})"
      "\n";
  const proto::Descriptor record(::memfd_create("record", MFD_CLOEXEC));
  ASSERT_EQ(::write(record.get(), lines.data(), lines.size()), lines.size());
  // systemd.exec(5): the variable names the process they are meant for.
  Command command{{"sh", "-c", "LISTEN_PID=$$ exec \"$0\" --socket " + socket_, LOCKETD},
                  {{"LISTEN_FDS", "1"}, {"LISTEN_FDNAMES", "locketd-session.1000.5.1.record"}}};
  command.descriptors = {{record.get(), 3}};
  daemon_ = std::make_unique<Child>(command);
  ASSERT_TRUE(eventually([&] { return answers(socket_); })) << log();
  expect_told("kept session dropped", "pid 0, user 1000, path /kept: ");
}

// ---- Not too many ----

TEST_F(Incidents, A_flood_leaves_a_few_lines_and_the_number_of_the_others_C15) {
  start();
  RawClient client(socket_);
  const auto flood = [&](std::size_t requests) {
    for (std::size_t i = 0; i < requests; ++i) client.error(client.start("no such method"));
  };
  flood(1'000);
  ASSERT_EQ(told("request refused").size(), kLines);
  EXPECT_TRUE(told("lines left out").empty());
  expect_told("lines left out", user() + ": 980 more of these within 10 s");
  flood(25);
  stop();
  EXPECT_EQ(told("request refused").size(), 2 * kLines);
  ASSERT_EQ(told("lines left out").size(), 2) << "not at the daemon's end";
  EXPECT_TRUE(told("lines left out")[1].starts_with("lines left out: " + user() + ": 5 more"));
}

TEST_F(Incidents, A_log_that_nobody_reads_keeps_nobody_waiting_C15) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const proto::Descriptor reader(ends[0]);
  proto::Descriptor writer(ends[1]);
  Command command = Daemon::command(socket_, {"--log-level", "debug"});
  command.descriptors = {{writer.get(), STDERR_FILENO}};
  daemon_ = std::make_unique<Child>(command);
  writer.reset();
  ASSERT_TRUE(eventually([&] { return answers(socket_); }));

  RawClient client(socket_);
  const std::string long_path(4'000, '/');
  for (int i = 0; i < 100; ++i) {
    const proto::Descriptor file = open_file(path_);
    client.release(client.granted(client.start("acquire", {{"path", long_path}}, {file.get()})));
  }
  std::string said(std::size_t{1} << 20, '\0');
  ASSERT_GT(::read(reader.get(), said.data(), said.size()), 0);
  client.release(client.lock(path_));
  const ssize_t length = ::read(reader.get(), said.data(), said.size());
  said.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  EXPECT_NE(said.find("lines of this log were lost"), std::string::npos) << said;
}

// ---- The form of the lines ----

TEST_F(Incidents, Under_the_journal_a_line_begins_with_its_priority) {
  const std::string as_journal =
      "JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec \"$0\" --socket " + socket_;
  daemon_ = std::make_unique<Child>(Command{{"sh", "-c", as_journal, LOCKETD}});
  // It may answer a moment before it logs that it listens.
  ASSERT_TRUE(eventually([&] { return log().contains("listens on"); })) << log();
  EXPECT_TRUE(log().starts_with("<6>locketd ")) << log();
}

TEST_F(Incidents, A_terminal_has_colours_where_they_are_wanted_and_no_priorities) {
  for (const bool wanted : {true, false}) {
    Command command{{"script", "-qec", std::string(LOCKETD) + " --socket " + path_, "/dev/null"},
                    {{"NO_COLOR", wanted ? "" : "1"}}};
    const std::string output = run(command).output;
    EXPECT_NE(output.find(wanted ? "locketd \x1b[31merror\x1b[0m: " : "locketd error: "),
              std::string::npos)
        << output;
    EXPECT_EQ(output.find('<'), std::string::npos) << output;
  }
}

}  // namespace
}  // namespace locket::test
