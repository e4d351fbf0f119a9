// The real locketd, in its own folder.

#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {

// Owned by the test. It answers from construction on. At the end it is told to stop, and must do so
// cleanly, which under a sanitizer includes that nothing was reported.
class Daemon {
 public:
  explicit Daemon(std::optional<uid_t> user = {});
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // The program and its options, for tests that start the daemon themselves.
  static Command command(const std::string& socket, std::vector<std::string> options = {});

  [[nodiscard]] const std::string& socket() const { return socket_; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

  // SIGTERM; its status must be 0.
  void stop();
  void start();
  void restart();

  // SIGKILL; no daemon answers at the socket it leaves behind.
  void kill();

  // Stopped as by a debugger, or on a machine out of memory. stop() thaws it first.
  void freeze();
  void thaw();

  [[nodiscard]] std::string log() const { return process_->errors(); }

 private:
  TemporaryFolder folder_;
  std::string socket_;
  std::optional<uid_t> user_;
  std::unique_ptr<Child> process_;
};

// Whether a daemon answers there.
bool answers(const std::string& socket_path);

}  // namespace locket::test
