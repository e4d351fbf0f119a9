// What locketd can be told, by option, environment and configuration file.

#include <gtest/gtest.h>
#include <sysexits.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/child.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {
namespace {

// Each option's name, and its default for the machine's daemon.
const std::map<std::string, std::string> kDefaults{
    {"socket", "/run/locket/locketd.sock"}, {"log-level", "info"},
    {"max-sessions-per-user", "8192"},      {"max-held-per-user", "65536"},
    {"max-waiting-per-user", "65536"},      {"max-text-per-user", "33554432"},
    {"max-descriptors-per-user", "auto"},
};

class LocketdOptions : public ::testing::Test {
 protected:
  using Environment = std::map<std::string, std::string>;

  // With no other environment than this: for the machine's daemon, unless XDG_RUNTIME_DIR is given.
  [[nodiscard]] static Command command(const std::vector<std::string>& options,
                                       const Environment& environment = {}) {
    Command command{{"env", "-u", "LOCKET_SOCKET", "-u", "XDG_RUNTIME_DIR"}};
    for (const auto& [name, value] : environment) command.words.push_back(name + '=' + value);
    command.words.emplace_back(LOCKETD);
    command.words.insert(command.words.end(), options.begin(), options.end());
    return command;
  }

  [[nodiscard]] static Ended check(std::vector<std::string> options,
                                   const Environment& environment = {}) {
    options.insert(options.end(), "--check-config");
    return run(command(options, environment));
  }

  // As --check-config prints them.
  [[nodiscard]] static Json settings(std::vector<std::string> options,
                                     const Environment& environment = {}) {
    options.emplace_back("--json");
    const Ended ended = check(std::move(options), environment);
    EXPECT_EQ(ended.status, 0) << ended.errors;
    return ended.status == 0 ? Json::parse(ended.output) : Json();
  }

  // Writes the configuration file that --config names.
  std::string config(const std::string& text) {
    write_file(file_, text);
    return file_;
  }

  [[nodiscard]] static std::vector<std::string> lines(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }

  TemporaryFolder folder_;
  std::string file_ = folder_ / "locketd.conf";
  std::string none_ = folder_.file("empty.conf");
};

TEST_F(LocketdOptions, Have_a_default_each_which_help_tells) {
  const Json found = settings({"--config", none_}).at("settings");
  const std::string help = run(command({"--help"})).output;
  EXPECT_EQ(found.size(), kDefaults.size());
  for (const auto& [name, value] : kDefaults) {
    EXPECT_EQ(found.at(name).at("value"), value) << name;
    EXPECT_EQ(found.at(name).at("from"), "default") << name;
    const auto option = help.find("--" + name + ' ');
    ASSERT_NE(option, std::string::npos) << name;
    EXPECT_LT(help.find(value, option), help.find('\n', option)) << name;
  }
}

TEST_F(LocketdOptions, Standard_streams_that_are_closed_are_taken_by_nothing_else) {
  const std::string socket = folder_ / "locketd.sock";
  Child daemon({{"sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", LOCKETD, "--socket", socket,
                 "--config", none_}});
  ASSERT_TRUE(eventually([&] { return answers(socket); }));
  for (const char* stream : {"0", "1", "2"}) {
    const auto link = "/proc/" + std::to_string(daemon.pid()) + "/fd/" + stream;
    EXPECT_EQ(std::filesystem::read_symlink(link), "/dev/null") << stream;
  }
}

// CLI11 would take the next word for the value.
TEST_F(LocketdOptions, An_option_with_nothing_behind_its_equals_sign_is_refused) {
  for (const char* option : {"--socket=", "--config=", "--max-held-per-user="}) {
    const Ended ended = check({option, "--json"});
    EXPECT_EQ(ended.status, EX_USAGE) << option;
    EXPECT_EQ(ended.errors,
              "locketd: " + std::string(option) + " has no value (try: locketd --help)\n");
  }
}

TEST_F(LocketdOptions, An_option_goes_before_the_environment_which_goes_before_the_file) {
  const std::string file =
      config("max-held-per-user = 1\nmax-waiting-per-user = 1\nlog-level = error\n");
  const Environment environment{{"LOCKETD_MAX_HELD_PER_USER", "2"},
                                {"LOCKETD_MAX_WAITING_PER_USER", "2"},
                                {"LOCKETD_MAX_SESSIONS_PER_USER", ""}};
  const Json found =
      settings({"--config", file, "--max-held-per-user", "3"}, environment).at("settings");
  const auto is = [&](const char* name, const char* value, const std::string& from) {
    EXPECT_EQ(found.at(name), Json({{"value", value}, {"from", from}})) << name;
  };
  is("max-held-per-user", "3", "--max-held-per-user");
  is("max-waiting-per-user", "2", "LOCKETD_MAX_WAITING_PER_USER");
  is("log-level", "error", file + ":3");
  is("max-sessions-per-user", "8192", "default");
}

TEST_F(LocketdOptions, Each_is_had_by_option_environment_and_file) {
  const std::map<std::string, std::string> others{
      {"socket", "/run/other.sock"},      {"log-level", "debug"},
      {"max-sessions-per-user", "11"},    {"max-held-per-user", "12"},
      {"max-waiting-per-user", "13"},     {"max-text-per-user", "20000000000"},
      {"max-descriptors-per-user", "14"},
  };
  std::vector<std::string> options{"--config", none_};
  Environment environment;
  std::string text;
  for (const auto& [name, value] : others) {
    options.insert(options.end(), {"--" + name, value});
    std::string variable = "LOCKETD_" + name;
    std::ranges::transform(variable, variable.begin(), [](unsigned char c) {
      return c == '-' ? '_' : static_cast<char>(std::toupper(c));
    });
    environment[name == "socket" ? "LOCKET_SOCKET" : variable] = value;
    text += name + " = " + value + '\n';
  }
  for (const Json& found : {settings(options), settings({"--config", none_}, environment),
                            settings({"--config", config(text)})}) {
    for (const auto& [name, value] : others) {
      EXPECT_EQ(found.at("settings").at(name).at("value"), value) << name;
      EXPECT_NE(found.at("settings").at(name).at("from"), "default") << name;
    }
  }
}

TEST_F(LocketdOptions, The_daemon_does_what_the_file_says) {
  const std::string socket = folder_ / "a b.sock";
  Child daemon(
      command({"--config", config("socket = \"" + socket + "\"\nmax-held-per-user = 1\n")}));
  ASSERT_TRUE(eventually([&] { return answers(socket); })) << daemon.errors();
  RawClient client(socket);
  client.lock(folder_.file("one"));
  const Json error = client.error(client.acquire(folder_.file("two")));
  EXPECT_EQ(error["data"]["name"], "limit_reached");
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.finish().status, 0) << daemon.errors();
}

TEST_F(LocketdOptions, A_file_that_is_not_named_may_be_missing_and_one_that_is_may_not) {
  const Environment user{{"XDG_RUNTIME_DIR", folder_.path()}, {"XDG_CONFIG_HOME", folder_.path()}};
  EXPECT_EQ(settings({}, user).at("config"), nullptr);
  std::filesystem::create_directory(folder_ / "locket");
  write_file(folder_ / "locket/locketd.conf", "log-level = debug\n");
  EXPECT_EQ(settings({}, user).at("config"), folder_ / "locket/locketd.conf");
  EXPECT_EQ(settings({}, user).at("settings").at("log-level").at("value"), "debug");
  EXPECT_EQ(settings({"--config", none_}, user).at("settings").at("log-level").at("value"), "info");

  for (const Ended& ended :
       {check({"--config", folder_ / "none"}), check({}, {{"LOCKETD_CONFIG", folder_ / "none"}})}) {
    EXPECT_EQ(ended.status, EX_CONFIG);
    EXPECT_EQ(ended.errors,
              "locketd: the configuration file " + (folder_ / "none") + " does not exist\n");
  }
}

TEST_F(LocketdOptions, A_file_that_may_not_be_read_is_one_line_that_names_who_may_not) {
  const auto user = ordinary_user();
  if (!user) GTEST_SKIP() << "only root can be two users";
  const std::string file = config("log-level = debug\n");
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  for (const char* option : {"--check-config", "--log-level=info"}) {
    Command command{{LOCKETD, option, "--config", file}};  // env(1) might not be able to run it
    command.user = user;
    const Ended ended = run(command);
    EXPECT_EQ(ended.status, EX_CONFIG) << option;
    EXPECT_EQ(ended.errors, "locketd: cannot read " + file + ": the user that locketd runs as (" +
                                std::to_string(*user) + ") has no permission to\n");
  }
}

TEST_F(LocketdOptions, Check_config_says_first_which_file_was_read_or_looked_for) {
  const auto first = [&](const std::vector<std::string>& options, const Environment& environment) {
    const auto said = lines(check(options, environment).output);
    return said.empty() ? "" : said.front();
  };
  const Environment user{{"XDG_RUNTIME_DIR", folder_.path()}, {"XDG_CONFIG_HOME", folder_.path()}};
  const Environment homeless{{"XDG_RUNTIME_DIR", folder_.path()}, {"HOME", ""}};
  EXPECT_EQ(first({"--config", none_}, {}), "# " + none_);
  EXPECT_EQ(first({}, user), "# " + (folder_ / "locket/locketd.conf") + " (which is not there)");
  EXPECT_EQ(first({}, homeless), "# there is no configuration file for a user without a home");
  EXPECT_TRUE(first({}, {}).starts_with("# /etc/locket/locketd.conf")) << first({}, {});
}

TEST_F(LocketdOptions, A_users_file_is_in_the_home_folder_where_nothing_else_is_said) {
  std::filesystem::create_directories(folder_ / ".config/locket");
  write_file(folder_ / ".config/locket/locketd.conf", "log-level = debug\n");
  const Environment user{{"XDG_RUNTIME_DIR", folder_.path()},
                         {"HOME", folder_.path()},
                         {"XDG_CONFIG_HOME", "relative"}};
  EXPECT_EQ(settings({}, user).at("config"), folder_ / ".config/locket/locketd.conf");
}

TEST_F(LocketdOptions, Every_mistake_in_the_file_is_told_with_its_line_and_the_nearest_name) {
  const std::string file = config(
      "max-held = 3\n"
      "log-level = loud\n"
      "frob = 1\n"
      "word\n"
      "max-waiting-per-user = 0\n");
  for (const Ended& ended : {check({"--config", file}), run(command({"--config", file}))}) {
    EXPECT_EQ(ended.status, EX_CONFIG);
    EXPECT_EQ(ended.output, "");
    const auto told = lines(ended.errors);
    ASSERT_EQ(told.size(), 5U) << ended.errors;
    const std::string before = "locketd: " + file;
    EXPECT_EQ(told[0],
              before + ":1: there is no setting \"max-held\" (did you mean max-held-per-user?)");
    EXPECT_EQ(told[1], before + ":2: log-level takes error, warning, info or debug, not \"loud\"");
    EXPECT_TRUE(
        told[2].starts_with(before + ":3: there is no setting \"frob\" (there are: socket,"));
    EXPECT_EQ(told[3], before + ":4: a line must say NAME = VALUE, not \"word\"");
    EXPECT_EQ(told[4], before +
                           ":5: max-waiting-per-user takes a whole number from 1 to 10000000, "
                           "not \"0\"");
  }
}

TEST_F(LocketdOptions, A_mistake_in_the_environment_names_the_variable) {
  const auto told = [&](const std::string& name, const std::string& value) {
    const Ended ended = check({"--config", none_}, {{name, value}});
    EXPECT_EQ(ended.status, EX_CONFIG) << name;
    return ended.errors;
  };
  EXPECT_EQ(told("LOCKETD_MAX_HELD_PER_USER", "many"),
            "locketd: LOCKETD_MAX_HELD_PER_USER takes a whole number from 1 to 10000000, not "
            "\"many\"\n");
  EXPECT_EQ(told("LOCKETD_LOGLEVEL", "debug"),
            "locketd: there is no variable LOCKETD_LOGLEVEL (did you mean LOCKETD_LOG_LEVEL?)\n");
  EXPECT_EQ(told("LOCKETD_SOCKET", "/run/a.sock"),
            "locketd: there is no variable LOCKETD_SOCKET (did you mean LOCKET_SOCKET?)\n");
  EXPECT_TRUE(told("LOCKET_SOCKET", std::string(108, 'x'))
                  .starts_with("locketd: LOCKET_SOCKET: the path of the socket is too long"));
}

// In containers, such variables come from elsewhere.
TEST_F(LocketdOptions, Variables_that_are_not_ours_are_left_alone) {
  EXPECT_EQ(check({"--config", none_}, {{"LOCKETD_PORT", "tcp://10.0.0.1:80"},
                                        {"LOCKETD_SERVICE_HOST", "10.0.0.1"},
                                        {"LOCKETD_USER", "locket"},
                                        {"LOCKET_TOKEN", "7"}})
                .errors,
            "");
}

TEST_F(LocketdOptions, A_mistake_on_the_command_line_names_the_nearest_option) {
  const std::map<std::vector<std::string>, std::string> mistakes{
      {{"--log-levle", "debug"}, "there is no option --log-levle (did you mean --log-level?)"},
      {{"--max_held=3"}, "there is no option --max_held (did you mean --max-held-per-user?)"},
      {{"--frob"}, "there is no option --frob (try: locketd --help)"},
      {{"word"}, "\"word\" is one word too many (try: locketd --help)"},
      {{"--socket"}, "--socket takes one PATH (try: locketd --help)"},
      {{"--socket", "a", "--socket", "b"}, "--socket takes one PATH (try: locketd --help)"},
      {{"--json"}, "--json requires --check-config (try: locketd --help)"},
      {{"--max-held-per-user", "abc"},
       "--max-held-per-user takes a whole number from 1 to 10000000, not \"abc\""},
      {{"--max-descriptors-per-user", "all"},
       "--max-descriptors-per-user takes a whole number from 1 to 10000000, not \"all\"; or auto"},
  };
  for (const auto& [options, text] : mistakes) {
    const Ended ended = run(command(options));
    EXPECT_EQ(ended.status, EX_USAGE) << text;
    EXPECT_EQ(ended.errors, "locketd: " + text + '\n');
  }
}

TEST_F(LocketdOptions, In_the_journal_a_mistake_has_the_priority_of_an_error) {
  const std::string journal = folder_.file("journal");
  const std::string script =
      R"(JOURNAL_STREAM=$(stat -c %d:%i "$1") exec "$0" --log-level loud 2>"$1")";
  EXPECT_EQ(run({{"sh", "-c", script, LOCKETD, journal}}).status, EX_USAGE);
  EXPECT_EQ(read_file(journal),
            "<3>--log-level takes error, warning, info or debug, not \"loud\"\n");
}

TEST_F(LocketdOptions, What_check_config_prints_is_a_configuration_file_that_says_the_same) {
  const std::vector<std::string> options{
      "--socket", "/tmp/with blanks, 'quotes' and #.sock", "--max-held-per-user", "7", "--config",
      none_};
  const Ended printed = check(options);
  ASSERT_EQ(printed.status, 0) << printed.errors;
  EXPECT_NE(printed.output.find("# --max-held-per-user\n"), std::string::npos) << printed.output;
  const Json again = settings({"--config", config(printed.output)}).at("settings");
  ASSERT_EQ(again.size(), kDefaults.size());
  const Json first = settings(options).at("settings");
  for (const auto& [name, setting] : first.items()) {
    EXPECT_EQ(again.at(name).at("value"), setting.at("value")) << name;
  }
}

TEST_F(LocketdOptions, What_no_configuration_file_can_say_is_a_comment) {
  for (const std::string name : {"/tmp/a\nb", "/tmp/\"both'"}) {
    const Ended printed = check({"--socket", name, "--config", none_});
    ASSERT_EQ(printed.status, 0) << printed.errors;
    EXPECT_NE(printed.output.find("\n# not for a file: socket = \"/tmp/"), std::string::npos)
        << printed.output;
    EXPECT_EQ(check({"--config", config(printed.output)}).status, 0) << printed.output;
  }
}

TEST_F(LocketdOptions, A_NUL_byte_does_not_cut_the_socket_off) {
  using namespace std::string_literals;
  const Ended ended = check({"--config", config("socket = /tmp/a\0b\n"s)});
  EXPECT_EQ(ended.status, EX_CONFIG);
  EXPECT_EQ(ended.errors, "locketd: " + file_ +
                              ":1: socket: the path of the socket has a NUL byte in it: "
                              "/tmp/a\\x00b\n");
}

TEST_F(LocketdOptions, Check_config_that_cannot_be_written_is_no_success) {
  Command command{{"sh", "-c", "\"$0\" --check-config >/dev/full", LOCKETD}};
  EXPECT_EQ(run(command).status, EX_IOERR);
}

TEST_F(LocketdOptions, The_example_file_is_valid_and_has_every_setting_with_its_default) {
  const std::string example = read_file(LOCKET_SOURCE_DIR "/systemd/locketd.conf.example");
  EXPECT_EQ(settings({"--config", config(example)}).at("settings"),
            settings({"--config", none_}).at("settings"));
  std::string text;
  for (const std::string& line : lines(example)) {
    const bool setting = line.starts_with('#') && !line.starts_with("# ") && line.size() > 1;
    text += (setting ? line.substr(1) : line) + '\n';
  }
  const Json found = settings({"--config", config(text)}).at("settings");
  ASSERT_EQ(found.size(), kDefaults.size());
  for (const auto& [name, setting] : found.items()) {
    EXPECT_EQ(setting.at("value"), kDefaults.at(name)) << name;
    EXPECT_TRUE(setting.at("from").get<std::string>().starts_with(file_)) << name;
  }
}

}  // namespace
}  // namespace locket::test
