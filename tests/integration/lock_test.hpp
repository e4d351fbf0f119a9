// The fixture for tests of locks: a daemon, a lock file, and some clients.

#pragma once

#include <gtest/gtest.h>
#include <sys/file.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>

#include "tests/support/daemon.hpp"
#include "tests/support/kernel_lock.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {

// Whether an answer of lock_program begins with this word.
inline ::testing::AssertionResult says(const std::string& answer, const std::string& word) {
  if (answer == word || answer.starts_with(word + ' ')) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "not " << word << ": " << answer;
}

class LockTest : public ::testing::Test {
 protected:
  // A process that uses the library: see lock_program.cpp.
  [[nodiscard]] Command program() const {
    return {{LOCK_PROGRAM}, {{"LOCKET_SOCKET", daemon.socket()}}};
  }

  [[nodiscard]] Command locketctl(std::vector<std::string> words) const {
    words.insert(words.begin(), LOCKETCTL);
    return {std::move(words), {{"LOCKET_SOCKET", daemon.socket()}}};
  }

  // Unlocks what this process has locked, behind the library's back.
  static void unlock_by_force(const std::string& name) {
    for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      if (std::filesystem::read_symlink(fd, error) != name) continue;
      ASSERT_EQ(::flock(std::stoi(fd.path().filename()), LOCK_UN), 0);
    }
  }

  // The number of waiters, of all locks.
  std::size_t waiters() { return cal.call("status")["waiters"]; }

  [[nodiscard]] bool eventually_waiting(std::size_t number) {
    return eventually([&] { return waiters() == number; });
  }

  // Only Ann, Bob, Cal and `others` more have a session: the ends of all the rest have been
  // handled.
  [[nodiscard]] bool eventually_alone(std::size_t others = 0) {
    return eventually([&] { return cal.call("status")["sessions"] == 3 + others; });
  }

  static std::string name_of(const Json& error) { return error["data"]["name"]; }

  Daemon daemon;
  TemporaryFolder folder;
  std::string path = folder.file("test.lock");
  RawClient ann{daemon.socket()};
  RawClient bob{daemon.socket()};
  RawClient cal{daemon.socket()};
};

}  // namespace locket::test
