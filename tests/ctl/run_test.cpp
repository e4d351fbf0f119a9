#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <filesystem>

#include "proto/transport.hpp"
#include "tests/ctl/locketctl.hpp"
#include "tests/support/kernel_lock.hpp"

namespace locket::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

using CtlRun = Locketctl;

TEST_F(CtlRun, A_running_command_excludes_plain_flock_C6) {
  Holding holding(command({"run", lock}));
  holding.wait_until_held();
  EXPECT_EQ(run({.words = {"flock", "-n", lock, "true"}}).status, 1);
  holding.end();
  // The kernel reports the end to the daemon a moment later than to this process.
  EXPECT_EQ(run({.words = {"flock", "-w", "20", lock, "true"}}).status, 0);
}

TEST_F(CtlRun, The_exit_status_is_the_commands_own) {
  EXPECT_EQ(ctl({"run", lock, "sh", "-c", "exit 7"}).status, 7);
  EXPECT_EQ(ctl({"run", lock, "--", "sh", "-c", "exit 8"}).status, 8);
  EXPECT_EQ(ctl({"run", "--", lock, "--", "sh", "-c", "exit 9"}).status, 9);
  EXPECT_EQ(ctl({"run", lock, "sh", "-c", "kill -TERM $$"}).status, 128 + SIGTERM);
}

TEST_F(CtlRun, The_shell_runs_a_string_on_either_side_of_the_lock) {
  EXPECT_EQ(ctl({"run", lock, "-c", "exit 5"}).status, 5);
  EXPECT_EQ(ctl({"run", "-c", "exit 6", lock}).status, 6);
  EXPECT_EQ(ctl({"run", lock, "-c", ""}).status, 0);
  EXPECT_EQ(ctl({"run", "-c", "", lock, "echo"}).status, 64);
}

TEST_F(CtlRun, Options_of_the_command_are_its_own) {
  EXPECT_EQ(ctl({"run", lock, "echo", "-n", "--help"}).output, "--help");
}

TEST_F(CtlRun, The_command_is_the_process_that_was_started) {
  Child child(command({"run", lock, "--", "sh", "-c", "echo $$"}));
  EXPECT_EQ(child.line(), std::to_string(child.pid()));
}

TEST_F(CtlRun, The_command_knows_its_token_and_its_lock) {
  const auto ended = ctl(
      {"run", "lock", "sh", "-c", "echo $LOCKET_TOKEN $LOCKET_PATH; " LOCKETCTL " list --json"});
  const auto space = ended.output.find(' ');
  const auto line_end = ended.output.find('\n');
  const auto json = Json::parse(ended.output.substr(line_end)).at("locks").at(0);
  EXPECT_EQ(ended.output.substr(0, space), json.at("holders").at(0).at("token").dump());
  EXPECT_EQ(ended.output.substr(space + 1, line_end - space - 1), lock);
}

TEST_F(CtlRun, Without_waiting_the_loser_learns_who_has_the_lock_C13) {
  Holding holding(command({"run", "--reason", "nightly backup", lock}));
  holding.wait_until_held();
  const auto refused = ctl({"run", "-n", lock, "true"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors, HasSubstr("locked by pid " + std::to_string(holding.process().pid()) +
                                        " (sh, user "));
  EXPECT_THAT(refused.errors, HasSubstr("nightly backup"));
}

TEST_F(CtlRun, A_timeout_ends_the_wait_but_not_early_C3) {
  Holding holding(command({"run", lock}));
  holding.wait_until_held();
  const auto begun = Clock::now();
  const auto refused = ctl({"run", "-w", "0.25", "-E", "42", lock, "true"});
  EXPECT_GE(Clock::now() - begun, 250ms);
  EXPECT_EQ(refused.status, 42);
  EXPECT_THAT(refused.errors, HasSubstr("timed out after 0.25 s"));
}

TEST_F(CtlRun, An_external_holder_is_named_by_the_process_that_has_it_C13) {
  // flock(1) locks and ends; its parent shell keeps the lock through the descriptor they share.
  Child outsider({.words = {"sh", "-c", "exec 9<\"$0\"; flock 9; echo ready; read line", lock}});
  ASSERT_EQ(outsider.line(), "ready");
  const auto refused = ctl({"run", "-n", lock, "true"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors, HasSubstr("pid " + std::to_string(outsider.pid())));
  EXPECT_THAT(refused.errors, HasSubstr("without locketd"));
}

TEST_F(CtlRun, Shared_locks_go_together_and_exclude_an_exclusive_one_C2) {
  Holding first(command({"run", "-s", lock}));
  first.wait_until_held();
  EXPECT_EQ(ctl({"run", "-s", "-n", lock, "true"}).status, 0);
  EXPECT_EQ(ctl({"run", "-x", "-n", lock, "true"}).status, 1);
}

TEST_F(CtlRun, A_lock_is_free_when_the_command_has_ended_C7) {
  for (int round = 0; round < 100; ++round) {
    ASSERT_EQ(ctl({"run", lock, "true"}).status, 0);
    ASSERT_EQ(ctl({"run", "-n", lock, "true"}).status, 0) << "in round " << round;
  }
}

TEST_F(CtlRun, A_killed_commands_lock_is_free_although_its_child_lives_on_C8) {
  // A shell gives background commands /dev/null as input, so cat reads another descriptor.
  Holding holding(command({"run", lock}),
                  {"sh", "-c", "exec 9<&0; cat <&9 >&2 & echo ready; read line"});
  holding.wait_until_held();
  holding.process().signal(SIGKILL);
  EXPECT_EQ(ctl({"run", "-w", "20", lock, "true"}).status, 0);
}

TEST_F(CtlRun, A_command_that_closes_all_descriptors_keeps_its_lock) {
  Holding holding(command({"run", lock}),
                  {"sh", "-c", "exec 3>&- 4>&- 5>&- 6>&- 7>&-; echo ready; read line"});
  holding.wait_until_held();
  EXPECT_EQ(ctl({"run", "-n", lock, "true"}).status, 1);
}

TEST_F(CtlRun, The_command_inherits_no_connection_to_the_daemon) {
  const auto ended = ctl({"run", lock, "sh", "-c", "ls -l /proc/$$/fd"});
  EXPECT_THAT(ended.output, HasSubstr(lock));
  EXPECT_THAT(ended.output, testing::Not(HasSubstr("socket:")));
}

TEST_F(CtlRun, A_command_that_cannot_be_run_gives_126_or_127_and_frees_the_lock) {
  EXPECT_EQ(ctl({"run", lock, "no-such-command"}).status, 127);
  EXPECT_EQ(ctl({"run", lock, ""}).status, 127);
  const auto misplaced = ctl({"run", lock, "-w", "5", "true"});
  EXPECT_EQ(misplaced.status, 127);
  EXPECT_THAT(misplaced.errors, HasSubstr("before the lock file"));
  EXPECT_EQ(ctl({"run", lock, folder.path()}).status, 126);
  EXPECT_EQ(ctl({"run", "-n", lock, "true"}).status, 0);
}

TEST_F(CtlRun, Verbose_tells_about_the_lock) {
  EXPECT_THAT(ctl({"run", "--verbose", lock, "true"}).errors, HasSubstr("got " + lock));
  Holding holding(command({"run", lock}));
  holding.wait_until_held();
  EXPECT_THAT(ctl({"run", "--verbose", "-w", "2.5", lock, "true"}).errors,
              StartsWith("locketctl: waiting: " + lock + " is locked by pid "));
}

TEST_F(CtlRun, On_a_terminal_a_long_wait_is_explained) {
  Holding holding(command({"run", lock}));
  holding.wait_until_held();
  const auto waited = ctl_on_terminal("run -w 2.5 " + lock + " true");
  EXPECT_EQ(waited.status, 1);
  EXPECT_THAT(waited.output, HasSubstr("locketctl: waiting: " + lock + " is locked by pid "));
  EXPECT_THAT(ctl({"run", "-w", "2.5", lock, "true"}).errors, testing::Not(HasSubstr("waiting:")));
}

TEST_F(CtlRun, A_file_is_created_but_not_a_folder_C12) {
  EXPECT_EQ(ctl({"run", folder / "new", "true"}).status, 0);
  EXPECT_EQ(read_file(folder / "new"), "");
  const auto failed = ctl({"run", folder / "none" + "/new", "true"});
  EXPECT_EQ(failed.status, 66);
  EXPECT_THAT(failed.errors, HasSubstr("the folder " + (folder / "none") + " does not exist"));
  std::filesystem::create_symlink(folder / "none" + "/new", folder / "dangling");
  const auto dangling = ctl({"run", folder / "dangling", "true"});
  EXPECT_EQ(dangling.status, 66);
  EXPECT_THAT(dangling.errors, HasSubstr("a symbolic link into a folder that does not exist"));
}

TEST_F(CtlRun, The_lock_file_is_never_a_standard_stream) {
  EXPECT_EQ(ctl({"run", lock, "echo", "kept"}).output, "kept\n");
  for (const char* closed : {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"}) {
    Command command = this->command({});
    command.words = {"sh", "-c", std::string(R"("$0" run "$1" sh -c 'echo spilled' )") + closed,
                     LOCKETCTL, lock};
    run(command);
    EXPECT_EQ(read_file(lock), "") << closed;
  }
}

TEST_F(CtlRun, The_exit_status_stays_the_commands_own_where_nobody_can_be_told) {
  Command command = this->command({});
  command.words = {"sh", "-c", R"("$0" run --verbose "$1" sh -c 'exit 7' 2>/dev/full)", LOCKETCTL,
                   lock};
  EXPECT_EQ(run(command).status, 7);
}

struct Mistake {
  std::vector<std::string> words;
  std::string complaint;

  // For ctest's list.
  friend void PrintTo(const Mistake& mistake, std::ostream* out) {
    *out << "locketctl";
    for (const std::string& word : mistake.words) *out << ' ' << word.substr(0, 16);
  }
};

class CtlMistakes : public Locketctl, public testing::WithParamInterface<Mistake> {};

TEST_P(CtlMistakes, Are_answered_by_one_line_and_status_64) {
  const auto ended = ctl(GetParam().words);
  EXPECT_EQ(ended.status, 64);
  EXPECT_THAT(ended.errors, StartsWith("locketctl: "));
  EXPECT_THAT(ended.errors, HasSubstr(GetParam().complaint));
  EXPECT_EQ(std::ranges::count(ended.errors, '\n'), 1) << ended.errors;
}

INSTANTIATE_TEST_SUITE_P(
    OfTheUser, CtlMistakes,
    testing::Values(
        Mistake{{}, "the command is missing"}, Mistake{{"frob"}, "frob"},
        Mistake{{"lsit"}, "did you mean list?"}, Mistake{{"--vresion"}, "did you mean --version?"},
        Mistake{{"run", "--tiemout", "1", "lock", "true"}, "did you mean --timeout?"},
        Mistake{{"list", "--Json"}, "did you mean --json?"},
        Mistake{{"--json", "list"}, "--json goes after the command: locketctl list --json"},
        Mistake{{"status", "lock"}, "\"lock\" is one word too many"},
        Mistake{{"run", "-w"}, "takes one SECONDS"}, Mistake{{"run"}, "the lock file is missing"},
        Mistake{{"run", "lock"}, "the command is missing"},
        Mistake{{"run", "", "true"}, "is empty"},
        Mistake{{"run", "-w", "-1", "lock", "true"}, "not -1"},
        Mistake{{"run", "-w", "nan", "lock", "true"}, "not nan"},
        Mistake{{"run", "-w", "inf", "lock", "true"}, "not inf"},
        Mistake{{"run", "-w", "1e300", "lock", "true"}, "from 0 to 1000000000"},
        Mistake{{"run", "-w", "1e999", "lock", "true"}, "from 0 to 1000000000"},
        Mistake{{"run", "-w", "abc", "lock", "true"}, "\"abc\""},
        Mistake{{"run", "-w", "", "lock", "true"}, "\"\""},
        Mistake{{"run", "-n", "-w", "1", "lock", "true"}, "excludes"},
        Mistake{{"run", "-E", "256", "lock", "true"}, "from 0 to 255, not \"256\""},
        Mistake{{"run", "-E", "010", "lock", "true"}, "from 0 to 255, not \"010\""},
        Mistake{{"run", "-E", "many", "lock", "true"}, "from 0 to 255, not \"many\""},
        Mistake{{"run", "-Q", "lock", "true"}, "-Q"},
        Mistake{{"run", "-Q", "lock", "true"}, "locketctl run --help"},
        Mistake{{"list", "-Q"}, "locketctl list --help"},
        Mistake{{"run", "-c", "true", "lock", "true"}, "-c"},
        Mistake{{"run", "lock", "-c", "true", "extra"}, "-c"},
        Mistake{{"run", std::string(5000, 'a'), "true"}, "too long"},
        Mistake{{"run", "--reason", std::string(2000, 'a'), "lock", "true"}, "reason"}));

TEST_F(CtlRun, A_socket_that_cannot_be_is_the_mistake_of_who_gave_it) {
  Command command = this->command({"run", lock, "true"});
  command.environment["LOCKET_SOCKET"] = "/" + std::string(200, 'x');
  const auto ended = run(command);
  EXPECT_EQ(ended.status, 64);
  EXPECT_THAT(ended.errors, StartsWith("locketctl: LOCKET_SOCKET: the path of the socket is too"));
  EXPECT_EQ(std::ranges::count(ended.errors, '\n'), 1) << ended.errors;
}

TEST_F(CtlRun, A_timeout_of_next_to_nothing_is_none_at_all) {
  EXPECT_EQ(ctl({"run", "-w", "1e-400", lock, "true"}).status, 0);
}

TEST_F(CtlRun, Options_may_have_the_other_names_that_flock_has_for_them) {
  Holding holding(command({"run", "-e", lock}));
  holding.wait_until_held();
  EXPECT_EQ(ctl({"run", "--nb", lock, "true"}).status, 1);
  EXPECT_THAT(ctl({"run", "--wait", "0.0625", lock, "true"}).errors,
              HasSubstr("timed out after 0.0625 s"));
  EXPECT_EQ(ctl({"run", "--wait=0", lock, "true"}).status, 1);
  EXPECT_EQ(ctl({"run", "--nb", "-w", "1", lock, "true"}).status, 64);
  EXPECT_EQ(ctl({"run", "-n", "--wait", "1", lock, "true"}).status, 64);
  EXPECT_EQ(ctl({"run", "-s", "-e", lock, "true"}).status, 64);
}

TEST_F(CtlRun, The_environment_says_how_long_to_wait_and_why_unless_options_do) {
  Command holder = command({"run", lock});
  holder.environment["LOCKET_REASON"] = "nightly backup";
  Holding holding(holder);
  holding.wait_until_held();
  const auto waiting = [&](const std::vector<std::string>& words, const std::string& timeout) {
    Command command = this->command(words);
    command.environment["LOCKET_TIMEOUT"] = timeout;
    return run(command);
  };
  EXPECT_THAT(waiting({"run", lock, "true"}, "0.125").errors,
              testing::AllOf(HasSubstr("timed out after 0.125 s"), HasSubstr("nightly backup")));
  EXPECT_THAT(waiting({"run", "-w", "0.0625", lock, "true"}, "1e6").errors,
              HasSubstr("timed out after 0.0625 s"));
  EXPECT_EQ(waiting({"run", "-n", lock, "true"}, "1e6").status, 1);
  const auto mistaken = waiting({"run", lock, "true"}, "soon");
  EXPECT_EQ(mistaken.status, 64);
  EXPECT_THAT(mistaken.errors,
              HasSubstr("LOCKET_TIMEOUT takes a number of seconds, such as 2.5, not \"soon\""));

  Command other = command({"run", "--reason", "another", folder.file("other")});
  other.environment["LOCKET_REASON"] = "nightly backup";
  Holding another(other);
  another.wait_until_held();
  EXPECT_THAT(ctl({"list"}).output, HasSubstr("another\n"));
}

TEST_F(CtlRun, What_is_not_a_file_is_refused) {
  const std::string fifo = folder / "fifo";
  ASSERT_EQ(run({.words = {"mkfifo", fifo}}).status, 0);
  for (const std::string& path : {fifo, std::string("/dev/null"), daemon.socket()}) {
    const auto refused = ctl({"run", path, "true"});
    EXPECT_EQ(refused.status, 66) << path;
    EXPECT_THAT(refused.errors, HasSubstr("cannot lock " + path));
  }
  EXPECT_EQ(ctl({"run", folder.path(), "true"}).status, 0) << "a folder is fine";
}

TEST_F(CtlRun, Where_too_many_wait_to_be_let_in_it_says_so) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder / "busy.sock";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const proto::Descriptor busy(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(busy.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(busy.get(), 0), 0);
  std::vector<proto::Descriptor> queue;
  while (auto next = proto::try_connect(path)) queue.push_back(std::move(*next));

  Command command = this->command({"run", "-w", "0.125", lock, "true"});
  command.environment["LOCKET_SOCKET"] = path;
  const auto ended = run(command);
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.errors, "locketctl: timed out after 0.125 s: locketd at " + path +
                              " does not answer: too many wait to be let in\n");
}

TEST_F(CtlRun, Without_a_daemon_it_says_where_it_looked_and_how_to_start_one) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", lock, "true"}, {"list"}, {"status"}}) {
    Command lost = command(words);
    lost.environment["LOCKET_SOCKET"] = folder / "none.sock";
    const auto ended = run(lost);
    EXPECT_EQ(ended.status, 69);
    EXPECT_THAT(ended.errors, HasSubstr(folder / "none.sock"));
    EXPECT_THAT(ended.errors, HasSubstr("start one with"));
  }
}

// Starting another daemon would not help.
TEST_F(CtlRun, Where_one_may_not_connect_it_says_whom_to_ask) {
  ASSERT_EQ(::chmod(daemon.socket().c_str(), 0), 0);
  Command refused = command({"run", lock, "true"});
  refused.user = ordinary_user();
  EXPECT_EQ(run(refused).errors,
            "locketctl: no locketd answers at " + daemon.socket() +
                " (Permission denied); ask its owner to let you in, or set LOCKET_SOCKET; "
                "`locketctl doctor` tells more\n");
}

}  // namespace
}  // namespace locket::test
