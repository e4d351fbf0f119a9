// A process that a test starts, talks to and outlives.

#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/descriptor.hpp"
#include "tests/support/eventually.hpp"

namespace locket::test {

inline constexpr uid_t kNobody = 65534;

// An ordinary user to run a process as: nobody if the test runs as root, else the test's own user.
std::optional<uid_t> ordinary_user();

struct Command {
  std::vector<std::string> words;                       // the first is searched for in PATH
  std::map<std::string, std::string> environment = {};  // in addition to the test's own
  std::vector<std::pair<int, int>> descriptors = {};    // the test's number, and the child's
  std::optional<uid_t> user = {};
  std::optional<mode_t> umask = {};
  std::string folder = {};
};

struct Ended {
  int status = -1;  // of exit, 128 plus the signal, or -1 if it did not end in time
  std::string output;
  std::string errors;
};

// Owned by the test. Its destructor kills the process, by its id, if it still runs.
class Child {
 public:
  explicit Child(const Command& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  // Writes a line to its standard input.
  void say(std::string_view line);
  void close_input() { input_.reset(); }

  // The next line of its standard output; if none comes, fails the test and returns "".
  std::string line();

  // say() and line().
  std::string ask(std::string_view question);

  void signal(int number) const;

  // Closes its input and waits for it to end.
  Ended finish();
  Ended wait();

  // All that it has written to standard error so far.
  [[nodiscard]] std::string errors() const;

 private:
  bool read_output(Clock::time_point deadline);

  pid_t pid_ = -1;
  proto::Descriptor process_;  // pidfd
  proto::Descriptor input_;
  proto::Descriptor output_;
  proto::Descriptor errors_;  // a file, which unlike a pipe never blocks it
  std::string unread_;
  std::optional<int> status_;
};

Ended run(const Command& command);

// Runs `body` in a forked process of that user, and returns its return value.
int in_process_of(uid_t user, const std::function<int()>& body);

// The same in a process beside the test. The constructor waits until `body` has returned; then the
// process stays as it is, with all its open descriptors, until this object is destroyed.
class Bystander {
 public:
  Bystander(uid_t user, const std::function<void()>& body);
  ~Bystander();
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;

 private:
  pid_t pid_ = -1;
};

}  // namespace locket::test
