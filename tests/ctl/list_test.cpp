#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>

#include "tests/ctl/locketctl.hpp"
#include "tests/support/kernel_lock.hpp"

namespace locket::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

using CtlList = Locketctl;

TEST_F(CtlList, Shows_waiters_below_their_holder_in_the_order_of_the_queue) {
  RawClient client(daemon.socket());
  client.lock(lock, {{"reason", "holds"}});
  client.acquire(lock, {{"reason", "first"}, {"timeout", 90.5}});
  client.acquire(lock, {{"reason", "second"}, {"mode", "shared"}});
  const auto json = listed();
  EXPECT_EQ(json.at("path"), lock);
  EXPECT_EQ(json.at("external"), nullptr);
  EXPECT_EQ(json.at("holders").at(0).at("reason"), "holds");
  EXPECT_EQ(json.at("waiters").at(0).at("reason"), "first");
  EXPECT_EQ(json.at("waiters").at(0).at("timeout_s"), 90.5);
  EXPECT_EQ(json.at("waiters").at(0).at("position"), 1);
  EXPECT_EQ(json.at("waiters").at(1).at("position"), 2);
  EXPECT_EQ(json.at("waiters").at(1).at("timeout_s"), nullptr);
  EXPECT_EQ(json.at("waiters").at(1).at("mode"), "shared");

  const auto table = ctl({"list"}).output;
  EXPECT_THAT(table, ContainsRegex("^PATH +STATE +MODE +PID +USER +COMMAND +AGE +REASON\n"));
  EXPECT_LT(table.find("holds"), table.find("first"));
  EXPECT_LT(table.find("first"), table.find("second"));
}

TEST_F(CtlList, Has_every_member_that_its_json_promises) {
  RawClient client(daemon.socket());
  client.lock(lock);
  client.acquire(lock);
  const auto json = listed();
  for (const char* name : {"path", "device", "inode", "holders", "waiters", "external"})
    EXPECT_TRUE(json.contains(name)) << name;
  for (const char* name :
       {"pid", "uid", "user", "command", "mode", "token", "since", "held_s", "reason"}) {
    EXPECT_TRUE(json.at("holders").at(0).contains(name)) << name;
  }
  for (const char* name : {"pid", "uid", "user", "command", "mode", "position", "since",
                           "waiting_s", "timeout_s", "reason"}) {
    EXPECT_TRUE(json.at("waiters").at(0).contains(name)) << name;
  }
}

TEST_F(CtlList, Of_nothing_is_the_legend_alone_or_not_even_that) {
  EXPECT_THAT(ctl({"list"}).output, ContainsRegex("^PATH [A-Z ]+\n$"));
  EXPECT_EQ(ctl({"list", "--no-legend"}).output, "");
  EXPECT_EQ(Json::parse(ctl({"list", "--json"}).output), Json({{"locks", Json::array()}}));
}

TEST_F(CtlList, Of_a_path_shows_that_file_alone_by_whatever_name_C1) {
  RawClient client(daemon.socket());
  client.lock(lock);
  client.lock(folder.file("other"));
  ASSERT_EQ(run({.words = {"ln", lock, folder / "hard"}}).status, 0);
  const auto table = ctl({"list", "--no-legend", "hard"}).output;
  EXPECT_THAT(table, HasSubstr(lock));
  EXPECT_THAT(table, Not(HasSubstr("other")));
  EXPECT_EQ(ctl({"list", "none"}).status, 66);
}

TEST_F(CtlList, Shows_more_locks_than_a_page_of_the_protocol_has) {
  constexpr std::size_t kLocks = 600;
  RawClient client(daemon.socket());
  for (std::size_t i = 0; i < kLocks; ++i) client.lock(folder.file("lock" + std::to_string(i)));
  EXPECT_EQ(Json::parse(ctl({"list", "--json"}).output).at("locks").size(), kLocks);
}

TEST_F(CtlList, Shows_an_external_holder_by_the_process_that_has_it) {
  Child outsider({.words = {"flock", lock, "sh", "-c", "echo $$; read line"}});
  const auto shell = std::stoi(outsider.line());
  RawClient client(daemon.socket());
  const Id waiting = client.acquire(lock);
  ASSERT_TRUE(client.waits(waiting));
  const auto external = listed().at("external");
  const auto pid = external.at("pid").get<int>();
  EXPECT_TRUE(pid == shell || pid == outsider.pid());
  EXPECT_EQ(external.at("mode"), "exclusive");
  EXPECT_EQ(external.at("uid"), ::geteuid());
  EXPECT_TRUE(external.at("user").is_string());
  EXPECT_THAT(ctl({"list"}).output,
              ContainsRegex("lock +external +exclusive +" + std::to_string(pid)));
}

// A script may give what it finds there to kill(1), which takes 0 for its own process group.
TEST_F(CtlList, A_holder_that_the_daemon_cannot_see_has_no_pid) {
  const std::vector<std::string> container{"unshare", "--pid", "--fork", "--kill-child"};
  Command probe{container};
  probe.words.emplace_back("true");
  if (const Ended tried = run(probe); tried.status != 0) GTEST_SKIP() << tried.errors;
  const std::string socket = folder / "inner.sock";
  Command inner = Daemon::command(socket);
  inner.words.insert(inner.words.begin(), container.begin(), container.end());
  Child contained(inner);
  ASSERT_TRUE(eventually([&] { return answers(socket); }));

  RawClient client(socket);
  client.lock(lock);
  Command list = command({"list", "--json"});
  list.environment["LOCKET_SOCKET"] = socket;
  const auto holder = Json::parse(run(list).output).at("locks").at(0).at("holders").at(0);
  EXPECT_EQ(holder.at("pid"), nullptr);
}

TEST_F(CtlList, Of_a_path_in_brackets_shows_that_file) {
  RawClient client(daemon.socket());
  client.lock(folder.file("[a]"));
  client.lock(folder.file("a"));
  client.lock(folder.file("[a,b]"));
  const auto locks = Json::parse(ctl({"list", "--json", "[a]", "[a,b]"}).output).at("locks");
  ASSERT_EQ(locks.size(), 2U);
  EXPECT_EQ(locks[0].at("path"), folder / "[a]");
  EXPECT_EQ(locks[1].at("path"), folder / "[a,b]");
  EXPECT_EQ(ctl({"list", "[]"}).status, 66);
}

TEST_F(CtlList, Of_a_path_shows_who_locked_it_without_the_daemon) {
  Child outsider({.words = {"flock", lock, "sh", "-c", "echo ready; read line"}});
  ASSERT_EQ(outsider.line(), "ready");
  EXPECT_THAT(ctl({"list", "lock"}).output, HasSubstr("external"));
}

TEST_F(CtlList, Cannot_harm_the_terminal_or_the_json) {
  const std::string evil = folder / "a\x1b[31m\nb\xff\xe2\x80\xae";
  Command holder = command({"run", "--reason", "\x1b]0;title\x07\r\n\"quoted\"\\", evil});
  Holding holding(holder);
  holding.wait_until_held();
  const auto table = ctl({"list"}).output;
  EXPECT_THAT(table, Not(ContainsRegex("\x1b|\r|\x07|\xff|\xe2\x80\xae")));
  EXPECT_EQ(std::ranges::count(table, '\n'), 2) << table;
  EXPECT_THAT(table, HasSubstr(R"(a\x1b[31m\nb\xff\xe2\x80\xae)"));
  const auto json = listed();
  EXPECT_THAT(json.at("path").get<std::string>(), HasSubstr(R"(a\x1b[31m\nb\xff)"));
  EXPECT_EQ(json.at("holders").at(0).at("reason"), R"(\x1b]0;title\x07\r\n"quoted"\\)");
}

TEST_F(CtlList, Is_plain_text_where_it_goes_into_a_pipe) {
  RawClient client(daemon.socket());
  client.lock(lock);
  EXPECT_THAT(ctl({"list"}).output, Not(HasSubstr("\x1b")));
}

TEST_F(CtlList, Is_coloured_on_a_terminal_unless_told_otherwise) {
  RawClient client(daemon.socket());
  client.lock(lock);
  EXPECT_THAT(ctl_on_terminal("list").output, HasSubstr("\x1b[32mheld\x1b[0m"));
  EXPECT_THAT(ctl_on_terminal("list", {{"NO_COLOR", "1"}}).output, Not(HasSubstr("\x1b")));
}

TEST_F(CtlList, Does_not_show_what_was_released_before_it_was_asked_C7) {
  RawClient client(daemon.socket());
  RawClient other(daemon.socket());
  for (int round = 0; round < 200; ++round) {
    client.notify("release", {{"token", client.lock(lock)}});
    ASSERT_TRUE(other.list().empty()) << "in round " << round;
  }
}

}  // namespace
}  // namespace locket::test
