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

// An ordinary user to run a process as: nobody where the test is root, else the test's own.
std::optional<uid_t> ordinary_user();

struct Command {
  std::vector<std::string> words;                       // the first is looked for in PATH
  std::map<std::string, std::string> environment = {};  // besides the test's own
  std::vector<std::pair<int, int>> descriptors = {};    // of the test's, and what to call it there
  std::optional<uid_t> user = {};
  std::optional<mode_t> umask = {};
  std::string folder = {};
};

struct Ended {
  int status = -1;  // of exit, 128 more than the signal, or -1 where it did not end in time
  std::string output;
  std::string errors;
};

// Owned by the test. Its end kills the process, by its id, where it still runs.
class Child {
 public:
  explicit Child(const Command& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  // A line to its standard input.
  void say(std::string_view line);
  void close_input() { input_.reset(); }

  // The next line of its standard output; where none comes, a failure of the test and "".
  std::string line();

  // say() and line().
  std::string ask(std::string_view question);

  void signal(int number) const;

  // Closes its input and waits for its end.
  Ended finish();
  Ended wait();

  // All that it has said so far on standard error.
  [[nodiscard]] std::string errors() const;

 private:
  bool read_output(Clock::time_point deadline);

  pid_t pid_ = -1;
  proto::Descriptor process_;  // pidfd
  proto::Descriptor input_;
  proto::Descriptor output_;
  proto::Descriptor errors_;  // a file, which unlike a pipe never makes it wait
  std::string unread_;
  std::optional<int> status_;
};

Ended run(const Command& command);

// Runs `body` in a forked process of that user, and returns what it returned.
int in_process_of(uid_t user, const std::function<int()>& body);

// The same beside the test, which waits for `body` to have been done; then the process stays as it
// is, with all that it has open, until the end of this object.
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
