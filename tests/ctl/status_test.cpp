#include <gmock/gmock.h>
#include <sysexits.h>

#include "tests/ctl/locketctl.hpp"

namespace locket::test {
namespace {

using testing::HasSubstr;

using CtlStatus = Locketctl;

TEST_F(CtlStatus, Counts_what_the_daemon_has) {
  RawClient client(daemon.socket());
  client.lock(lock);
  client.acquire(lock);
  client.call("status");
  const auto json = Json::parse(ctl({"status", "--json"}).output);
  EXPECT_EQ(json.at("socket"), daemon.socket());
  EXPECT_EQ(json.at("pid"), daemon.pid());
  EXPECT_EQ(json.at("sessions"), 2);
  EXPECT_EQ(json.at("locks"), 1);
  EXPECT_EQ(json.at("holders"), 1);
  EXPECT_EQ(json.at("waiters"), 1);
  EXPECT_EQ(json.at("grants"), 1);
  EXPECT_GE(json.at("uptime_s"), 0);
  const auto& user = json.at("user");
  EXPECT_EQ(user.at("sessions"), Json({{"has", 2}, {"limit", 8192}}));
  EXPECT_EQ(user.at("held"), Json({{"has", 1}, {"limit", 65536}}));
  EXPECT_EQ(user.at("waiting"), Json({{"has", 1}, {"limit", 65536}}));
  EXPECT_EQ(user.at("text"), Json({{"has", 2 * lock.size()}, {"limit", 33554432}}));
  EXPECT_EQ(user.at("descriptors").at("has"), 6);  // two per session, one per claim
  EXPECT_THAT(ctl({"status"}).output,
              HasSubstr("yours        2 of 8192 sessions, 1 of 65536 locks held, 1 of 65536 "
                        "waiting,\n             " +
                        std::to_string(2 * lock.size()) +
                        " of 33554432 bytes of paths and reasons, 6 of "));
  EXPECT_THAT(ctl({"status"}).output,
              HasSubstr("locks        1\nholders      1\nwaiters      1\n"));
}

TEST_F(CtlStatus, What_cannot_be_written_is_one_line_and_status_74) {
  for (const char* words : {"status", "status --json", "list", "list --json", "--help"}) {
    Command command = this->command({});
    command.words = {"sh", "-c", std::string("\"$0\" ") + words + " >/dev/full", LOCKETCTL};
    const Ended ended = run(command);
    EXPECT_EQ(ended.status, EX_IOERR) << words;
    EXPECT_EQ(ended.errors, "locketctl: cannot write to standard output\n") << words;
  }
}

TEST_F(CtlStatus, Without_standard_streams_nothing_is_said_to_the_daemon_in_their_place) {
  for (const char* words : {"status >&-", "list >&-", "list --json <&- >&-"}) {
    Command command = this->command({});
    command.words = {"sh", "-c", std::string("\"$0\" ") + words, LOCKETCTL};
    const Ended ended = run(command);
    EXPECT_EQ(ended.status, EX_IOERR) << words;
    EXPECT_EQ(ended.errors, "locketctl: cannot write to standard output\n") << words;
  }
  EXPECT_EQ(ctl({"status"}).status, 0);
  EXPECT_THAT(daemon.log(), testing::Not(HasSubstr("refused")));
}

TEST_F(CtlStatus, A_command_lacks_the_standard_streams_that_locketctl_lacks) {
  Command command = this->command({});
  const std::string job = "test ! -e /proc/self/fd/0 -a ! -e /proc/self/fd/1";
  command.words = {"sh", "-c", "\"$0\" run lock -- sh -c '" + job + "' <&- >&-", LOCKETCTL};
  const Ended ended = run(command);
  EXPECT_EQ(ended.status, 0) << ended.errors;
}

TEST_F(CtlStatus, Help_and_version_end_well) {
  EXPECT_EQ(ctl({"--help"}).status, 0);
  EXPECT_THAT(ctl({"run", "--help"}).output, HasSubstr("LOCK [--] COMMAND"));
  EXPECT_THAT(ctl({"--version"}).output, testing::StartsWith("locketctl 0."));
}

}  // namespace
}  // namespace locket::test
