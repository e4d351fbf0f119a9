// A program that uses liblocket as any program would, and obeys its standard input.
//
// One line of output for each line of input:
//   lock PATH [SECONDS]     held TOKEN, or the name of the error and its message
//   share PATH [SECONDS]    the same, shared
//   release PATH            released, or an error
//   reason PATH TEXT        done: sets the reason of later locks on it
//   linger                  child PID: has forked a process that does nothing until it is killed
//   become PATH COMMAND...  execs the command, and keeps the lock
//
// Or `lock_program both PATH OTHER`: one thread locks PATH and releases it, while another one, at
// each of two lines of input, locks OTHER, says so, and releases it before the next.
//
// Or `lock_program pingpong PATH COUNT [OTHER]`: for each byte of input, locks and releases once
// without waiting, and then writes a byte; at the end, prints to standard error how many attempts
// failed. Meanwhile another thread locks and releases OTHER all the time.

#include <unistd.h>

#include <array>
#include <iostream>
#include <iterator>
#include <locket/locket.hpp>
#include <map>
#include <optional>
#include <sstream>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

namespace {

const char* name_of(locket_code code) {
  static constexpr std::array kNames{
      "ok",        "timed_out",       "not_held",      "invalid_argument", "file_error",
      "no_daemon", "connection_lost", "limit_reached", "not_permitted",    "internal",
      "lost"};
  return kNames.at(static_cast<std::size_t>(code));
}

class Program {
 public:
  std::string obey(std::istringstream words) {
    std::string verb;
    std::string path;
    words >> verb >> path;
    if (verb == "linger") return linger();
    try {
      locket::file_lock& lock = locks_.try_emplace(path, path).first->second;
      if (verb == "release") {
        lock.release();
        return "released";
      }
      if (verb == "reason") {
        std::string text;
        std::getline(words >> std::ws, text);
        lock.set_reason(text);
        return "done";
      }
      if (verb == "become") {
        become(lock, words);
        return "still here";
      }
      acquire(lock, verb == "share" ? LOCKET_SHARED : LOCKET_EXCLUSIVE, words);
      return "held " + std::to_string(lock.token());
    } catch (const locket::lock_error& error) {
      return std::string(name_of(error.code())) + ' ' + error.what();
    }
  }

 private:
  static std::string linger() {
    constexpr unsigned kSecondsAtMost = 120;
    const pid_t child = ::fork();
    if (child == 0) ::alarm(kSecondsAtMost);  // in case no process is left to kill it
    while (child == 0) ::pause();
    return "child " + std::to_string(child);
  }

  static void become(locket::file_lock& lock, std::istringstream& words) {
    std::vector<std::string> command(std::istream_iterator<std::string>(words), {});
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    lock.keep_across_exec(command.front());
    ::execvp(arguments.front(), arguments.data());
  }

  static void acquire(locket::file_lock& lock, locket_mode mode, std::istringstream& words) {
    std::string text;
    std::optional<double> seconds;
    if (words >> text) seconds = std::stod(text);
    locket::detail::checked(true, [&](locket_error** error) {
      return locket_acquire(lock.native_handle(), mode, seconds ? &*seconds : nullptr, error);
    });
  }

  std::map<std::string, locket::file_lock> locks_;
};

int lock_both(const std::string& path, const std::string& other) {
  const std::jthread waiting([&path] { const locket::guard turn(locket::file_lock{path}); });
  locket::file_lock lock(other);
  for (std::string line; std::getline(std::cin, line);) {
    if (lock.is_held()) lock.release();
    std::cout << (lock.try_lock() ? "held" : "not held") << std::endl;
  }
  return 0;
}

int play_pingpong(const std::string& path, int count, const std::string& other) {
  const std::jthread busy([&other](const std::stop_token& stop) {
    if (other.empty()) return;
    for (locket::file_lock lock(other); !stop.stop_requested(); lock.release()) lock.acquire();
  });
  locket::file_lock lock(path);
  int played = 0;
  int failures = 0;
  for (char ball = 0; played < count && ::read(STDIN_FILENO, &ball, 1) == 1; ++played) {
    if (lock.try_lock()) {
      lock.release();
    } else {
      ++failures;
    }
    // After the last round there is no reader.
    std::ignore = ::write(STDOUT_FILENO, &ball, 1);
  }
  std::cerr << failures << " of " << played << " attempts failed\n";
  return failures == 0 && played == count ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && argv[1] == std::string_view("both")) return lock_both(argv[2], argv[3]);
  if (argc >= 4) return play_pingpong(argv[2], std::stoi(argv[3]), argc > 4 ? argv[4] : "");
  Program program;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << program.obey(std::istringstream(line)) << std::endl;
  }
  return 0;
}
