#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>

#include "client/ctl/doctor/examination.hpp"
#include "client/deadline.hpp"
#include "proto/descriptor.hpp"

namespace locketctl {
namespace {

using locket::client::Clock;
using locket::client::TimePoint;
using locket::proto::Descriptor;

// In the other process: one line per finding, and an empty line at the end of each step.
void send(int pipe, std::string line) {
  line += '\n';
  for (std::string_view left = line; !left.empty();) {
    const ssize_t sent = ::write(pipe, left.data(), left.size());
    if (sent < 0) ::_exit(1);  // the reader is gone
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
}

[[noreturn]] void look(const std::vector<Step>& steps, int pipe) {
  // The pipe itself is one of the standard streams if locketctl was started without them.
  pipe = ::fcntl(pipe, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  // Otherwise a reader of locketctl's output would wait for this process to end, too.
  for (int standard = 0; standard <= STDERR_FILENO; ++standard) ::close(standard);
  while (::open("/dev/null", O_RDWR) >= 0 && ::fcntl(STDERR_FILENO, F_GETFD) < 0) continue;
  for (const Step& step : steps) {
    try {
      step.look([&](const Finding& finding) { send(pipe, encode(finding)); });
    } catch (const std::exception& error) {
      send(pipe, encode(problem(step.check, error.what(), "report this as a bug of locketctl")));
    }
    send(pipe, "");
  }
  ::_exit(0);
}

class Lines {
 public:
  explicit Lines(int pipe) : pipe_(pipe) {}

  enum class Why : std::uint8_t { line, late, over };

  Why next(std::string& line, TimePoint until) {
    for (;;) {
      if (const auto end = unread_.find('\n'); end != std::string::npos) {
        line = unread_.substr(0, end);
        unread_.erase(0, end + 1);
        return Why::line;
      }
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
      pollfd ready{pipe_, POLLIN, 0};
      const int count = left.count() > 0 ? ::poll(&ready, 1, static_cast<int>(left.count())) : 0;
      if (count == 0) return Why::late;
      if (count < 0) continue;  // EINTR
      std::array<char, 4096> bytes{};
      const ssize_t length = ::read(pipe_, bytes.data(), bytes.size());
      if (length == 0) return Why::over;
      if (length > 0) unread_.append(bytes.data(), static_cast<std::size_t>(length));
    }
  }

 private:
  int pipe_;
  std::string unread_;
};

// None if all steps ended; otherwise the finding about the one that did not.
std::optional<Finding> listen(const std::vector<Step>& steps, int pipe, const Tell& tell) {
  Lines lines(pipe);
  for (const Step& step : steps) {
    const TimePoint until = Clock::now() + kStepTime;
    std::string line;
    auto why = lines.next(line, until);
    for (; why == Lines::Why::line && !line.empty(); why = lines.next(line, until)) {
      tell(decode_finding(line));
    }
    if (why == Lines::Why::late) {
      return problem(step.check,
                     fmt::format("no answer within {} s, so what depends on it was left out",
                                 kStepTime.count()),
                     step.advice);
    }
    if (why == Lines::Why::over) {
      return problem(step.check, "the check itself broke off", "report this as a bug of locketctl");
    }
  }
  return std::nullopt;
}

}  // namespace

void examine(const std::vector<Step>& steps, const Tell& tell) {
  std::array<int, 2> ends{};
  const pid_t child = ::pipe2(ends.data(), O_CLOEXEC) == 0 ? ::fork() : -1;
  if (child == 0) look(steps, ends[1]);
  const Descriptor reader(ends[0]);
  Descriptor(ends[1]).reset();
  if (child < 0) {
    tell(problem(steps.front().check, fmt::format("cannot look: {}", std::strerror(errno)),
                 "see that there is room for a process more (ulimit -u)"));
    return;
  }
  if (auto complaint = listen(steps, reader.get(), tell)) tell(std::move(*complaint));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, WNOHANG);  // otherwise init reaps it, when it can end
}

}  // namespace locketctl
