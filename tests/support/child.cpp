#include "tests/support/child.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <sstream>
#include <system_error>

namespace locket::test {
namespace {

using proto::Descriptor;

constexpr int kCannotStart = 127;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::pair<Descriptor, Descriptor> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  std::istringstream folders(std::getenv("PATH"));
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (std::string path = folder + '/' + name; ::access(path.c_str(), X_OK) == 0) return path;
  }
  return name;
}

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!command.environment.contains(std::string(text.substr(0, text.find('='))))) {
      all.emplace_back(text);
    }
  }
  for (const auto& [name, value] : command.environment) {
    all.push_back(name);
    all.back() += '=';
    all.back() += value;
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool become(uid_t user) {
  return ::setgid(user) == 0 && ::setuid(user) == 0;
}

int code_of(int status) {
  constexpr int kSignalBase = 128;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kSignalBase + WTERMSIG(status);
}

// What exec needs, prepared before fork: afterwards nothing may allocate.
struct Launch {
  explicit Launch(const Command& from)
      : command(from),
        words(from.words),
        variables(environment_of(from)),
        arguments(pointers_to(words)),
        environment(pointers_to(variables)),
        program(find_program(from.words.front())),
        file(::open(program.c_str(), O_PATH | O_CLOEXEC)) {
    if (!file) fail("cannot find " + program);
  }

  const Command& command;
  std::vector<std::string> words;
  std::vector<std::string> variables;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::string program;
  Descriptor file;
};

bool prepare(const Command& command, const std::array<int, 3>& standard) {
  for (int target = 0; target < 3; ++target) ::dup2(standard[static_cast<size_t>(target)], target);
  for (const auto& [ours, theirs] : command.descriptors) {
    // dup2 onto the same number would leave close-on-exec as it is.
    if (ours == theirs ? ::fcntl(ours, F_SETFD, 0) != 0 : ::dup2(ours, theirs) < 0) return false;
  }
  if (command.umask) ::umask(*command.umask);
  if (!command.folder.empty() && ::chdir(command.folder.c_str()) != 0) return false;
  if (command.user && *command.user != ::geteuid() && !become(*command.user)) return false;
  // After changing the user, which clears this setting.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return true;
}

// In the forked process.
[[noreturn]] void become_program(Launch& launch, const std::array<int, 3>& standard) {
  if (prepare(launch.command, standard)) {
    ::execve(launch.program.c_str(), launch.arguments.data(), launch.environment.data());
    // Another user may not have access to the folder where it was built.
    ::syscall(SYS_execveat, launch.file.get(), "", launch.arguments.data(),
              launch.environment.data(), AT_EMPTY_PATH);
  }
  ::_exit(kCannotStart);
}

}  // namespace

std::optional<uid_t> ordinary_user() {
  if (::geteuid() == 0) return kNobody;
  return std::nullopt;
}

Child::Child(const Command& command) {
  // Writing to a child that has ended should fail, not kill the test.
  std::signal(SIGPIPE, SIG_IGN);
  Launch launch(command);
  auto [input_there, input_here] = make_pipe();
  auto [output_here, output_there] = make_pipe();
  Descriptor errors(::memfd_create("errors", MFD_CLOEXEC));
  if (!errors) fail("memfd_create");
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) become_program(launch, {input_there.get(), output_there.get(), errors.get()});
  process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!process_) fail("pidfd_open");
  input_ = std::move(input_here);
  output_ = std::move(output_here);
  errors_ = std::move(errors);
}

Child::~Child() {
  if (status_ || pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Child::say(std::string_view line) {
  const std::string text = std::string(line) + '\n';
  EXPECT_EQ(::write(input_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

std::string Child::line() {
  const auto deadline = Clock::now() + kPatience;
  std::size_t end = unread_.find('\n');
  while (end == std::string::npos && read_output(deadline)) end = unread_.find('\n');
  if (end == std::string::npos) {
    ADD_FAILURE() << "process " << pid_ << " said nothing more than \"" << unread_ << "\"; "
                  << errors();
    return {};
  }
  std::string line = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  return line;
}

std::string Child::ask(std::string_view question) {
  say(question);
  return line();
}

// False at the end of the output, or at the deadline.
bool Child::read_output(Clock::time_point deadline) {
  using std::chrono::milliseconds;
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
  pollfd source{output_.get(), POLLIN, 0};
  if (::poll(&source, 1, static_cast<int>(std::max(left, milliseconds(0)).count())) <= 0) {
    return false;
  }
  std::array<char, 4096> buffer{};
  const ssize_t length = ::read(output_.get(), buffer.data(), buffer.size());
  if (length <= 0) return false;
  unread_.append(buffer.data(), static_cast<std::size_t>(length));
  return true;
}

void Child::signal(int number) const {
  ::kill(pid_, number);
}

Ended Child::finish() {
  close_input();
  return wait();
}

Ended Child::wait() {
  const auto deadline = Clock::now() + kPatience;
  while (read_output(deadline)) {
  }
  const auto ended = [this] {
    int status = 0;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = code_of(status);
    return status_.has_value();
  };
  if (!eventually(ended)) ADD_FAILURE() << "process " << pid_ << " does not end; " << errors();
  return {status_.value_or(-1), std::exchange(unread_, {}), errors()};
}

std::string Child::errors() const {
  struct stat info{};
  ::fstat(errors_.get(), &info);
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t length = ::pread(errors_.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  return text;
}

Ended run(const Command& command) {
  return Child(command).finish();
}

Bystander::Bystander(uid_t user, const std::function<void()>& body) {
  auto [done_here, done_there] = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    if (user != ::geteuid() && !become(user)) ::_exit(kCannotStart);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
      body();
    } catch (const std::exception& error) {
      std::ignore = ::write(STDERR_FILENO, error.what(), std::strlen(error.what()));
      ::_exit(1);
    }
    std::ignore = ::write(done_there.get(), ".", 1);
    for (;;) ::pause();
  }
  done_there.reset();
  char done = 0;
  if (::read(done_here.get(), &done, 1) != 1) ADD_FAILURE() << "the bystander has failed";
}

Bystander::~Bystander() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

int in_process_of(uid_t user, const std::function<int()>& body) {
  constexpr int kThrew = 99;
  const pid_t child = ::fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (user != ::geteuid() && !become(user)) ::_exit(kCannotStart);
    try {
      ::_exit(body());
    } catch (const std::exception&) {
      ::_exit(kThrew);
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return code_of(status);
}

}  // namespace locket::test
