#include "tests/chaos/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>

namespace locket::chaos {
namespace {

constexpr int kCannotStart = 127;

[[noreturn]] void become(char* const* arguments, int nothing, int errors) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none{};
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(nothing, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  ::execvp(arguments[0], arguments);
  ::_exit(kCannotStart);
}

}  // namespace

Process Process::start(const std::vector<std::string>& words, int errors) {
  static const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  Process process;
  process.pid_ = ::fork();
  if (process.pid_ == 0) become(arguments.data(), nothing, errors);
  if (process.pid_ > 0) {
    process.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, process.pid_, 0)));
  }
  if (!process.pidfd_) {
    throw std::system_error(errno, std::generic_category(), "cannot start " + words.front());
  }
  return process;
}

void Process::signal(int number) const {
  if (pidfd_) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

std::string describe(const Death& death) {
  if (WIFSIGNALED(death.status)) return fmt::format("by signal {}", WTERMSIG(death.status));
  return fmt::format("with status {}", WEXITSTATUS(death.status));
}

bool was_killed(const Death& death) {
  return WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGKILL;
}

bool ended_well(const Death& death) {
  return WIFEXITED(death.status) && WEXITSTATUS(death.status) == EXIT_SUCCESS;
}

}  // namespace locket::chaos
