// A daemon, a folder for lock files, and locketctl to use both.

#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {

class Locketctl : public testing::Test {
 protected:
  [[nodiscard]] Command command(std::vector<std::string> words) const {
    words.insert(words.begin(), LOCKETCTL);
    return {.words = std::move(words),
            .environment = {{"LOCKET_SOCKET", daemon.socket()}},
            .folder = folder.path()};
  }
  [[nodiscard]] Ended ctl(std::vector<std::string> words) const {
    return run(command(std::move(words)));
  }

  // With a terminal for all three streams: script(1). The words go through a shell.
  [[nodiscard]] Ended ctl_on_terminal(const std::string& words,
                                      std::map<std::string, std::string> environment = {}) const {
    Command terminal = command({});
    terminal.words = {"script", "-qec", std::string(LOCKETCTL) + ' ' + words, "/dev/null"};
    terminal.environment.merge(environment);
    return run(terminal);
  }

  // The only lock that the daemon knows, as `list --json` shows it.
  [[nodiscard]] Json listed() const {
    return Json::parse(ctl({"list", "--json"}).output).at("locks").at(0);
  }

  [[nodiscard]] std::size_t waiters() const {
    const auto locks = Json::parse(ctl({"list", "--json"}).output).at("locks");
    return locks.empty() ? 0 : locks.at(0).at("waiters").size();
  }

  const Daemon daemon;
  const TemporaryFolder folder;
  const std::string lock = folder.file("lock");
};

// Holds a lock until it is told to end by a line of input, or by the end of it.
class Holding {
 public:
  Holding(Command command, std::vector<std::string> job = {"sh", "-c", "echo ready; read line"})
      : child_([&] {
          command.words.insert(command.words.end(), job.begin(), job.end());
          return command;
        }()) {}

  void wait_until_held() { EXPECT_EQ(child_.line(), "ready"); }
  Ended end() { return child_.finish(); }
  Child& process() { return child_; }

 private:
  Child child_;
};

}  // namespace locket::test
