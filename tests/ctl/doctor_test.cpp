// locketctl doctor: what it says when all is well, and about what is wrong with a daemon or a lock
// file.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>

#include "proto/limits.hpp"
#include "proto/version.hpp"
#include "tests/client/fake_daemon.hpp"
#include "tests/ctl/locketctl.hpp"
#include "tests/support/slow_file_system.hpp"

namespace locket::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr int kHealthy = 0;
constexpr int kProblem = 1;
// The length of a step in client/ctl/doctor/examination.hpp.
constexpr double kStepSeconds = 5;

class CtlDoctor : public Locketctl {
 protected:
  struct Report {
    int status = -1;
    Json checks;

    // The only finding of that check.
    [[nodiscard]] Json of(const std::string& check) const {
      Json found;
      for (const Json& one : checks) {
        if (one.at("check") != check) continue;
        EXPECT_TRUE(found.is_null()) << "two of " << check << ": " << checks.dump(2);
        found = one;
      }
      EXPECT_FALSE(found.is_null()) << "no " << check << " in " << checks.dump(2);
      return found.is_null() ? Json{{"state", ""}, {"text", ""}, {"advice", ""}} : found;
    }
    [[nodiscard]] std::string state(const std::string& check) const { return of(check)["state"]; }
    [[nodiscard]] std::string text(const std::string& check) const { return of(check)["text"]; }
    [[nodiscard]] bool has(const std::string& check) const {
      return std::ranges::any_of(checks, [&](const Json& one) { return one["check"] == check; });
    }
  };

  static Report report_of(const Ended& ended) {
    EXPECT_EQ(ended.errors, "");
    return {ended.status, Json::parse(ended.output).at("checks")};
  }

  [[nodiscard]] Command doctor_of(const std::string& socket, const std::string& path = {}) const {
    Command command = this->command({"doctor", "--json"});
    command.environment["LOCKET_SOCKET"] = socket;
    if (!path.empty()) command.words.push_back(path);
    return command;
  }
  [[nodiscard]] Report examine_daemon(const std::string& socket) const {
    return report_of(run(doctor_of(socket)));
  }
  [[nodiscard]] Report examine(const std::string& path) const {
    return report_of(run(doctor_of(daemon.socket(), path)));
  }

  static void expect_problem(const Report& report, const std::string& check,
                             const std::string& text) {
    EXPECT_EQ(report.status, kProblem);
    const Json finding = report.of(check);
    EXPECT_EQ(finding["state"], "problem");
    EXPECT_THAT(std::string(finding["text"]), HasSubstr(text));
    EXPECT_NE(finding.value("advice", ""), "") << "what to do?";
  }
};

// ---- The daemon ----

TEST_F(CtlDoctor, A_healthy_daemon_is_no_problem) {
  const Report report = examine_daemon(daemon.socket());
  EXPECT_EQ(report.status, kHealthy);
  EXPECT_EQ(report.text("socket"), daemon.socket() + ", as LOCKET_SOCKET says");
  EXPECT_EQ(report.state("permissions"), "ok");
  EXPECT_THAT(report.text("daemon"),
              StartsWith("answers: pid " + std::to_string(daemon.pid()) + ","));
  EXPECT_EQ(report.text("version"), std::string(proto::kVersion) +
                                        ", as this library; both speak protocol " +
                                        std::to_string(proto::kProtocolVersion));
  EXPECT_THAT(report.text("limits"), HasSubstr(" descriptors are open"));
  EXPECT_THAT(report.text("user limits"), StartsWith("you have 1 of 8192 sessions, 0 of 65536 "));
  EXPECT_NE(report.state("service"), "problem");
}

TEST_F(CtlDoctor, No_daemon_is_a_problem_that_names_where_it_was_looked_for) {
  expect_problem(examine_daemon(folder / "none"), "socket",
                 "there is no socket at " + (folder / "none"));
  Command command = this->command({"doctor", "--json"});
  command.environment = {{"LOCKET_SOCKET", ""}, {"XDG_RUNTIME_DIR", folder.path()}};
  const Ended ended = run(command);
  EXPECT_THAT(ended.output, HasSubstr(folder / "locket/locketd.sock"));
}

TEST_F(CtlDoctor, Within_a_container_it_claims_nothing_of_the_service_outside) {
  const std::vector<std::string> container{"unshare", "--pid", "--fork", "--mount-proc"};
  Command probe{container};
  probe.words.emplace_back("true");
  if (const Ended tried = run(probe); tried.status != 0) GTEST_SKIP() << tried.errors;
  Command command = doctor_of(daemon.socket());
  command.words.insert(command.words.begin(), container.begin(), container.end());
  EXPECT_THAT(report_of(run(command)).text("service"),
              StartsWith("the socket is kept outside of this "));
}

TEST_F(CtlDoctor, A_users_own_daemon_is_said_to_be_that) {
  std::filesystem::create_directory(folder / "locket");
  std::filesystem::create_symlink(daemon.socket(), folder / "locket/locketd.sock");
  Command command = this->command({"doctor", "--json"});
  command.environment = {{"LOCKET_SOCKET", ""}, {"XDG_RUNTIME_DIR", folder.path()}};
  EXPECT_EQ(report_of(run(command)).text("socket"),
            (folder / "locket/locketd.sock") + ", your own daemon's, in XDG_RUNTIME_DIR");
}

TEST_F(CtlDoctor, A_socket_that_a_dead_daemon_left_behind_is_a_problem) {
  Daemon dead;
  dead.kill();
  const Report report = examine_daemon(dead.socket());
  expect_problem(report, "socket", "nobody listens at " + dead.socket());
  EXPECT_FALSE(report.has("daemon"));
}

TEST_F(CtlDoctor, What_is_no_socket_is_a_problem) {
  expect_problem(examine_daemon(lock), "socket", lock + " is not a socket");
}

TEST_F(CtlDoctor, A_socket_that_one_may_not_connect_to_is_a_problem) {
  ASSERT_EQ(::chmod(daemon.socket().c_str(), 0), 0);
  Command command = doctor_of(daemon.socket());
  command.user = ordinary_user();
  expect_problem(report_of(run(command)), "socket", "you may not connect to " + daemon.socket());
}

TEST_F(CtlDoctor, A_folder_in_which_everybody_may_put_another_socket_is_a_problem) {
  const auto run_folder = std::filesystem::path(daemon.socket()).parent_path();
  ASSERT_EQ(::chmod(run_folder.c_str(), 0777), 0);
  const Report report = examine_daemon(daemon.socket());
  expect_problem(report, "permissions", "everybody may put another socket there");
  EXPECT_EQ(report.of("permissions")["advice"], "chmod go-w " + run_folder.string());
}

TEST_F(CtlDoctor, A_daemon_that_is_stopped_is_a_problem_and_keeps_nobody_waiting) {
  Daemon stopped;
  stopped.freeze();
  const auto begin = Clock::now();
  expect_problem(examine_daemon(stopped.socket()), "daemon", "no answer within");
  EXPECT_LT(seconds_since(begin), 3 * kStepSeconds);
}

// As a socket that systemd keeps does for each client if the daemon's configuration is invalid.
TEST_F(CtlDoctor, A_daemon_that_hangs_up_is_a_problem_and_its_configuration_may_be_why) {
  FakeDaemon ending;
  Child doctor(doctor_of(ending.socket()));
  ending.accept();
  ending.hang_up();
  const Report report = report_of(doctor.wait());
  expect_problem(report, "daemon", "it hangs up");
  EXPECT_THAT(std::string(report.of("daemon")["advice"]), HasSubstr("locketd --check-config"));
}

TEST_F(CtlDoctor, A_daemon_of_another_protocol_is_a_problem) {
  FakeDaemon old;
  Child doctor(doctor_of(old.socket()));
  old.accept();
  const auto hello = old.next();
  EXPECT_EQ(std::get<proto::Hello>(hello.call).protocol, proto::kProtocolVersion);
  proto::Failure failure =
      test::failure(proto::Errc::unsupported_protocol, "this is locketd 0.0.9");
  failure.protocol = 0;
  old.reply(hello.id, failure);
  const Report report = report_of(doctor.wait());
  expect_problem(report, "version", "the daemon speaks protocol 0");
  EXPECT_THAT(report.text("version"), HasSubstr("this is locketd 0.0.9"));
}

TEST_F(CtlDoctor, A_daemon_of_another_version_is_worth_a_warning) {
  FakeDaemon old;
  Child doctor(doctor_of(old.socket()));
  old.welcome();
  proto::StatusReport status;
  status.version = "0.0.9";
  status.descriptors = 900;
  status.descriptor_limit = 1024;
  status.user.sessions = {8, 100};
  status.user.held = {7, 8};
  old.reply(old.next().id, status);
  const Report report = report_of(doctor.wait());
  EXPECT_EQ(report.state("version"), "warning");
  EXPECT_THAT(report.text("version"), StartsWith("the daemon's is 0.0.9, this library's "));
  expect_problem(report, "limits", "900 of 1024 descriptors are open");
  EXPECT_EQ(report.state("user limits"), "warning");
  EXPECT_EQ(report.text("user limits"),
            "you have 8 of 100 sessions, 7 of 8 locks held: further requests will soon be refused");
  EXPECT_THAT(std::string(report.of("user limits")["advice"]),
              HasSubstr("raise max-held-per-user in"));
}

TEST_F(CtlDoctor, A_daemon_that_takes_in_no_more_is_a_problem_and_its_limit_can_be_raised) {
  FakeDaemon full;
  Child doctor(doctor_of(full.socket()));
  full.accept();
  full.reply(full.next().id, test::failure(proto::Errc::limit_reached, "user 0 has 8 sessions"));
  const Report report = report_of(doctor.wait());
  expect_problem(report, "daemon", "it refuses: user 0 has 8 sessions");
  EXPECT_THAT(std::string(report.of("daemon")["advice"]), HasSubstr("raise that option"));
}

// ---- A path ----

TEST_F(CtlDoctor, A_lock_file_is_looked_at_and_left_as_it_was) {
  struct stat before{};
  ASSERT_EQ(::stat(lock.c_str(), &before), 0);
  const Report report = examine(lock);
  EXPECT_EQ(report.status, kHealthy);
  EXPECT_EQ(report.text("path"), lock + " is there, and can be opened for reading");
  EXPECT_NE(report.state("file system"), "problem");
  EXPECT_THAT(report.text("flock"), StartsWith("works: got a shared lock"));
  EXPECT_THAT(report.text("holder"), StartsWith("nobody holds it"));
  struct stat after{};
  ASSERT_EQ(::stat(lock.c_str(), &after), 0);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
  EXPECT_EQ(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

TEST_F(CtlDoctor, One_that_is_not_there_yet_is_not_made) {
  const Report report = examine("new.lock");
  EXPECT_EQ(report.status, kHealthy);
  EXPECT_EQ(report.text("path"),
            (folder / "new.lock") + " is not there yet, and can be made: mode 0666 less umask");
  EXPECT_NE(report.state("flock"), "problem");
  EXPECT_FALSE(std::filesystem::exists(folder / "new.lock"));
}

TEST_F(CtlDoctor, A_missing_folder_is_a_problem) {
  const Report report = examine(folder / "no/such/lock");
  expect_problem(report, "path", "the folder " + (folder / "no/such") + " does not exist");
  EXPECT_EQ(report.of("path")["advice"], "mkdir -p " + (folder / "no/such"));
}

TEST_F(CtlDoctor, A_link_that_leads_nowhere_is_looked_at_where_it_leads) {
  std::filesystem::create_symlink("no/such", folder / "astray");
  const Report astray = examine(folder / "astray");
  expect_problem(
      astray, "path",
      "the folder " + (folder / "no") + " that its symbolic link leads to does not exist");
  EXPECT_EQ(astray.of("path")["advice"], "mkdir -p " + (folder / "no"));
  std::filesystem::create_symlink("not-yet", folder / "there");
  EXPECT_EQ(examine(folder / "there").text("path"),
            (folder / "there") + " is not there yet, and can be made: mode 0666 less umask");
  EXPECT_FALSE(std::filesystem::exists(folder / "not-yet"));
  std::filesystem::create_symlink("round", folder / "round");
  expect_problem(examine(folder / "round"), "path", "Too many levels of symbolic links");
}

TEST_F(CtlDoctor, A_file_in_place_of_a_folder_is_a_problem_that_mkdir_does_not_solve) {
  const Report report = examine(lock + "/below");
  expect_problem(report, "path", lock + " is not a folder");
  EXPECT_EQ(report.of("path")["advice"], "choose another path");
}

TEST_F(CtlDoctor, An_empty_path_is_a_problem_and_not_left_out) {
  expect_problem(report_of(ctl({"doctor", "--json", ""})), "path",
                 "the path of the lock file is empty");
}

TEST_F(CtlDoctor, A_folder_or_file_without_permission_is_a_problem) {
  const auto user = ordinary_user();
  if (!user) GTEST_SKIP() << "only root can be two users";
  ASSERT_EQ(::chmod(lock.c_str(), 0600), 0);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  for (const auto& [path, text] : {std::pair{lock, "cannot open " + lock},
                                   std::pair{folder / "new", (folder / "new") + " is not there"}}) {
    Command command = doctor_of(daemon.socket(), path);
    command.user = user;
    expect_problem(report_of(run(command)), "path", text);
  }
}

TEST_F(CtlDoctor, What_cannot_be_locked_is_a_problem) {
  expect_problem(examine("/dev/null"), "path", "/dev/null is neither a file nor a folder");
}

TEST_F(CtlDoctor, Who_holds_the_lock_is_said) {
  Holding holding(command({"run", "--reason", "nightly", lock, "--"}));
  holding.wait_until_held();
  Report report = examine(lock);
  EXPECT_EQ(report.status, kHealthy);
  EXPECT_EQ(report.text("flock"), "works: another has the lock now");
  EXPECT_THAT(report.text("holder"),
              StartsWith("held by pid " + std::to_string(holding.process().pid()) + " (sh, user "));
  EXPECT_THAT(report.text("holder"), HasSubstr(": nightly"));
  holding.end();

  Holding external({{"flock", lock}});
  external.wait_until_held();
  report = examine(lock);
  EXPECT_THAT(report.text("holder"), StartsWith("held without locketd by pid "));
}

TEST_F(CtlDoctor, A_file_that_the_kernel_shows_as_a_file_systems_own_is_told_so) {
  for (const auto locks : {SlowFileSystem::Locks::own, SlowFileSystem::Locks::kernel}) {
    const SlowFileSystem file_system(locks);
    if (!file_system.mounted()) GTEST_SKIP() << "no FUSE file system can be mounted here";
    const Report report = examine(file_system / "lock");
    EXPECT_EQ(report.status, kHealthy);
    EXPECT_EQ(report.state("file system"), "warning");
    EXPECT_THAT(report.text("file system"), StartsWith("fuse"));
    EXPECT_EQ(report.text("flock"), locks == SlowFileSystem::Locks::own
                                        ? "works: got a shared lock, kept by the file system "
                                          "itself"
                                        : "works: got a shared lock, kept by this kernel");
  }
}

TEST_F(CtlDoctor, A_file_system_that_hangs_is_a_problem_and_keeps_nobody_waiting) {
  for (const auto& [operation, check] :
       {std::pair{"getattr open", "path"}, std::pair{"statfs", "file system"},
        std::pair{"flock", "flock"}}) {
    SlowFileSystem file_system;
    if (!file_system.mounted()) GTEST_SKIP() << "no FUSE file system can be mounted here";
    file_system.stall(operation);
    const auto begin = Clock::now();
    const Report report = examine(file_system / "lock");
    EXPECT_GE(seconds_since(begin), kStepSeconds);
    EXPECT_LT(seconds_since(begin), 3 * kStepSeconds);
    expect_problem(report, check, "no answer within 5 s");
    EXPECT_EQ(report.state("daemon"), "ok") << "which is no concern of that file's";
    EXPECT_FALSE(report.has("holder"));
  }
}

// Each command runs in its own mount namespace, which ends with its process.
TEST_F(CtlDoctor, On_an_overlay_a_file_of_a_lower_layer_is_worth_a_warning) {
  const std::string script =
      "mount -t tmpfs lower lower && touch lower/old && mkdir work upper merged && "
      "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged || exit 77; "
      "touch merged/new; exec \"$0\" doctor --json merged/old";
  std::filesystem::create_directory(folder / "lower");
  Command command = this->command({});
  command.words = {"unshare", "-m", "sh", "-c", script, LOCKETCTL};
  const Ended ended = run(command);
  const bool refused = ended.status == 77 || ended.errors.starts_with("unshare: ");
  if (refused) GTEST_SKIP() << "no overlay can be mounted: " << ended.errors;
  const Report report = report_of(ended);
  EXPECT_EQ(report.status, kHealthy);
  EXPECT_EQ(report.state("file system"), "warning");
  EXPECT_THAT(report.text("file system"), StartsWith("overlay over several file systems"));
}

// ---- Output ----

TEST_F(CtlDoctor, Programs_read_it_as_JSON) {
  Command command = this->command({});
  command.words = {"sh", "-c",
                   "\"$0\" doctor --json \"$1\" | jq -e '(.checks | length) > 5 and .problems == 0 "
                   "and (.checks | all(.state != \"ok\" or (has(\"advice\") | not)))'",
                   LOCKETCTL, lock};
  const Ended ended = run(command);
  EXPECT_EQ(ended.status, 0) << ended.errors;
  EXPECT_EQ(ended.output, "true\n");
}

TEST_F(CtlDoctor, A_check_is_one_line_and_its_advice_is_in_it) {
  const std::string name = "no\nsuch";
  Ended ended = ctl({"doctor", folder / name + "/lock"});
  EXPECT_EQ(ended.status, kProblem);
  EXPECT_THAT(ended.output, HasSubstr("\nproblem  path         the folder " +
                                      (folder / "no\\nsuch") + " does not exist -> mkdir -p "));
  EXPECT_THAT(ended.output, StartsWith("ok       socket       "));
  EXPECT_EQ(ended.output.find('\x1b'), std::string::npos);
}

TEST_F(CtlDoctor, A_terminal_has_colours_where_they_are_wanted) {
  EXPECT_THAT(ctl_on_terminal("doctor").output, StartsWith("\x1b[32mok      \x1b[0m socket"));
  EXPECT_THAT(ctl_on_terminal("doctor", {{"NO_COLOR", "1"}}).output, StartsWith("ok       socket"));
}

}  // namespace
}  // namespace locket::test
