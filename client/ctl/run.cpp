#include <fmt/core.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/ctl/command.hpp"
#include "client/deadline.hpp"
#include "client/holders.hpp"
#include "client/lock.hpp"
#include "client/process.hpp"
#include "client/queries.hpp"
#include "proto/environment.hpp"
#include "proto/option_text.hpp"
#include "proto/text.hpp"

namespace locketctl {
namespace {

namespace client = locket::client;
namespace proto = locket::proto;
using proto::Error;
using proto::Failure;

// As in shells: a command that cannot be run, and one that is not found.
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;
// How long to wait before saying so.
constexpr std::chrono::seconds kSilence{2};

struct RunOptions {
  bool shared = false;
  bool exclusive = false;  // the default, for those who state it
  bool at_once = false;
  bool verbose = false;
  std::optional<std::string> wait;
  std::string conflict_status = "1";
  std::optional<std::string> reason;
  std::optional<std::string> shell_command;
  std::string lock;
  std::vector<std::string> command;
};

// CLI11 does not see LOCK and COMMAND.
class RunFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: locketctl run [OPTIONS] LOCK [--] COMMAND...\n"
           "       locketctl run [OPTIONS] LOCK -c STRING\n";
  }
};

// LOCK [--] COMMAND..., or LOCK -c STRING as flock(1) has it.
std::optional<std::string> take_words(RunOptions& options, Words words) {
  if (words.empty()) return "the lock file is missing: locketctl run LOCK -- COMMAND";
  options.lock = words.front();
  words.erase(words.begin());
  if (!words.empty() && (words.front() == "-c" || words.front() == "--command")) {
    if (words.size() != 2) return "-c takes one STRING, quoted: locketctl run LOCK -c 'STRING'";
    options.shell_command = words.back();
    words.clear();
  }
  if (!words.empty() && words.front() == "--") words.erase(words.begin());
  if (options.shell_command && !words.empty()) {
    return fmt::format("with -c there can be no other command: {}", proto::escape(words.front()));
  }
  options.command = std::move(words);
  if (options.shell_command) {
    options.command = {proto::variable("SHELL").value_or("/bin/sh"), "-c", *options.shell_command};
  }
  if (options.command.empty()) {
    return fmt::format("the command is missing: locketctl run {} -- COMMAND",
                       proto::escape(options.lock));
  }
  return std::nullopt;
}

std::unexpected<Error> wrong(std::string text) {
  return std::unexpected(Error{proto::Errc::invalid_params, std::move(text)});
}

// `name` is the option or variable it comes from.
std::expected<std::optional<proto::Seconds>, Error> seconds_from(const std::string& text,
                                                                 std::string_view name) {
  double seconds = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc::invalid_argument || stop != text.data() + text.size()) {
    return wrong(fmt::format("{} takes a number of seconds, such as 2.5, not {}", name,
                             proto::in_quotes(text)));
  }
  // from_chars does not tell a number too large from one next to zero.
  if (error == std::errc::result_out_of_range) seconds = std::strtod(text.c_str(), nullptr);
  return client::check_timeout(seconds);
}

std::expected<std::optional<proto::Seconds>, Error> timeout_of(const RunOptions& options) {
  if (options.at_once) return proto::Seconds::zero();
  if (options.wait) return seconds_from(*options.wait, "-w/--timeout");
  if (const auto wait = proto::variable("LOCKET_TIMEOUT"))
    return seconds_from(*wait, "LOCKET_TIMEOUT");
  return std::nullopt;
}

std::expected<int, Error> conflict_status_of(const RunOptions& options) {
  const auto status = proto::whole_number(options.conflict_status, 0, 255);
  if (!status) return wrong("-E" + status.error());
  return static_cast<int>(*status);
}

std::string whom_we_wait_for(client::Process& process, const std::string& path,
                             proto::FileId file) {
  proto::Refusal refusal;
  refusal.file = file;
  for (proto::Row& row :
       client::list(process.connection, file).value_or(std::vector<proto::Row>{})) {
    if (row.state == proto::Row::State::held) {
      refusal.holders.push_back(std::move(row));
    } else {
      refusal.external |= row.external;
      if (row.pid != ::getpid()) ++refusal.waiters;
    }
  }
  refusal.holder_count = refusal.holders.size();
  const auto holders = client::holders_of(refusal, process.connection.daemon_pid());
  return "waiting: " + client::refusal_text(proto::escape(path), refusal, holders);
}

client::Acquisition::Outcome wait_for(client::Acquisition& attempt, client::Lock& lock,
                                      const RunOptions& options) {
  if (options.verbose || ::isatty(STDERR_FILENO) == 1) {
    if (auto outcome = attempt.wait(client::Clock::now() + kSilence)) return std::move(*outcome);
    complain(whom_we_wait_for(client::process(), lock.path(), attempt.file()));
  }
  return std::move(*attempt.wait());
}

// What the options and the environment say about the wait and its failure.
struct Wish {
  std::optional<proto::Seconds> timeout;
  int conflict_status = 1;
};

std::expected<Wish, Error> wish_of(const RunOptions& options) {
  const auto timeout = timeout_of(options);
  if (!timeout) return std::unexpected(timeout.error());
  const auto status = conflict_status_of(options);
  if (!status) return std::unexpected(status.error());
  return Wish{*timeout, *status};
}

int refuse(const Failure& failure, const client::Lock& lock, const Wish& wish) {
  if (failure.error.code != proto::Errc::timed_out) return fail(failure.error);
  std::string text = failure.error.message;
  if (const auto& refusal = failure.refusal) {
    const auto holders = client::holders_of(*refusal, client::process().connection.daemon_pid());
    text = client::refusal_text(proto::escape(lock.path()), *refusal, holders);
  }
  complain(client::timeout_text(text, wish.timeout.value_or(proto::Seconds::zero())));
  return wish.conflict_status;
}

std::string why_not(const std::string& command, int error) {
  if (command.empty()) return "cannot run a command with an empty name";
  if (error == ENOENT && command.starts_with('-')) {
    return fmt::format("cannot run {}: options of locketctl run stand before the lock file",
                       proto::escape(command));
  }
  const bool there = command.contains('/') && ::access(command.c_str(), F_OK) == 0;
  return fmt::format("cannot run {}: {}", proto::escape(command),
                     error == ENOENT && there
                         ? "the interpreter that its first line names is missing"
                         : std::strerror(error));
}

// Returns only on failure. The command inherits the descriptor and with it a share in the kernel's
// lock, and the daemon has been asked to keep its own until this process ends.
int become(const RunOptions& options, const client::Lock& lock, proto::Token token) {
  ::setenv("LOCKET_TOKEN", std::to_string(token).c_str(), 1);
  ::setenv("LOCKET_PATH", lock.path().c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& word : options.command)
    arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments.front(), arguments.data());
  const int error = errno;
  complain(why_not(options.command.front(), error));
  return error == ENOENT ? kNotFound : kCannotExecute;
}

std::string base_name(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

int run(const RunOptions& options) {
  const auto wish = wish_of(options);
  if (!wish) return fail(wish.error());
  auto made = client::Lock::make(options.lock);
  if (!made) return fail(made.error());
  client::Lock& lock = **made;
  const std::string reason = options.reason.value_or(proto::variable("LOCKET_REASON").value_or(""));
  if (auto set = lock.set_reason(reason); !set) return fail(set.error());

  const auto begun = client::Clock::now();
  auto attempt =
      lock.begin(options.shared ? proto::Mode::shared : proto::Mode::exclusive, wish->timeout);
  if (!attempt) return refuse(attempt.error(), lock, *wish);
  const auto token = wait_for(*attempt, lock, options);
  if (!token) return refuse(token.error(), lock, *wish);

  if (auto kept = lock.keep_across_exec(base_name(options.command.front())); !kept) {
    return fail(kept.error());
  }
  if (options.verbose) {
    const proto::Seconds waited = client::Clock::now() - begun;
    complain(fmt::format("got {} after {:.3f} s, token {}; running {}", proto::escape(lock.path()),
                         waited.count(), *token, proto::escape(options.command.front())));
  }
  return become(options, lock, *token);
}

// flock(1) has several names for some options.
void use_our_name(std::string& option) {
  if (option == "-e") option = "-x";
  if (option == "--nb") option = "--nonblock";
  if (option == "--wait" || option.starts_with("--wait=")) option.replace(0, 6, "--timeout");
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand(
      "run", "Acquire a lock, then become a command that keeps it until it ends");
  command->formatter(std::make_shared<RunFormatter>());
  command->add_flag("-s,--shared", options->shared, "Acquire a shared lock");
  command->add_flag("-x,--exclusive", options->exclusive, "Acquire an exclusive lock (the default)")
      ->excludes("--shared");
  auto* at_once = command->add_flag("-n,--nonblock", options->at_once,
                                    "Do not wait: fail when the lock is not free");
  command->add_option("-w,--timeout", options->wait, "Wait that long, fractions allowed, then fail")
      ->type_name("SECONDS")
      ->excludes(at_once);
  command
      ->add_option("-E,--conflict-exit-code", options->conflict_status,
                   "Exit status if the lock could not be acquired")
      ->type_name("CODE")
      ->capture_default_str();
  command->add_option("-c,--command", options->shell_command, "Run this by the shell ($SHELL)")
      ->type_name("STRING");
  command->add_option("--reason", options->reason, "What to tell others who want the lock")
      ->type_name("TEXT");
  command->add_flag("--verbose", options->verbose, "Report waiting for and acquiring the lock");
  command->footer(
      "If neither -w nor -n is given, the timeout is LOCKET_TIMEOUT from the environment; without\n"
      "--reason, the reason is LOCKET_REASON. The command has LOCKET_TOKEN and LOCKET_PATH in its\n"
      "environment.\n"
      "Exit status: the command's own; 1 (or -E) if the lock could not be acquired; 64 and up, as\n"
      "in sysexits.h, for other errors; 126 if the command cannot be run, 127 if it is not found.");
  command->callback([options, &action] {
    action = [options](const Words& words) {
      if (const auto problem = take_words(*options, words)) {
        complain(*problem);
        return EX_USAGE;
      }
      return run(*options);
    };
  });
}

Words split_words(const CLI::App& app, Words& arguments) {
  if (arguments.empty() || arguments.front() != "run") return {};
  const CLI::App* run = app.get_subcommand("run");
  auto word = arguments.begin() + 1;
  while (word != arguments.end() && word->size() > 1 && word->front() == '-' && *word != "--") {
    use_our_name(*word);
    const CLI::Option* option = run->get_option_no_throw(*word);
    const bool value_follows = option != nullptr && option->get_items_expected_max() > 0;
    word += value_follows && word + 1 != arguments.end() ? 2 : 1;
  }
  Words words(word, arguments.end());
  arguments.erase(word, arguments.end());
  if (!words.empty() && words.front() == "--") words.erase(words.begin());
  return words;
}

}  // namespace locketctl
