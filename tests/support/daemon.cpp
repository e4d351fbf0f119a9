#include "tests/support/daemon.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "proto/transport.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::test {

Daemon::Daemon(std::optional<uid_t> user) : socket_(folder_ / "run/locketd.sock"), user_(user) {
  const auto run = std::filesystem::path(socket_).parent_path();
  std::filesystem::create_directory(run);
  if (user_) std::ignore = ::chown(run.c_str(), *user_, *user_);
  start();
}

Daemon::~Daemon() {
  if (process_) stop();
}

Command Daemon::command(const std::string& socket, std::vector<std::string> options) {
  // Independent of how this machine's own daemon is configured.
  Command command{{LOCKETD, "--socket", socket, "--config", "/dev/null"}};
  for (std::string& option : options) command.words.push_back(std::move(option));
  return command;
}

void Daemon::start() {
  Command command = Daemon::command(socket_);
  command.user = user_;
  process_ = std::make_unique<Child>(command);
  const auto ready = [this] { return answers(socket_); };
  if (!eventually(ready)) ADD_FAILURE() << "locketd does not start: " << log();
}

void Daemon::stop() {
  thaw();
  process_->signal(SIGTERM);
  const Ended ended = process_->finish();
  EXPECT_EQ(ended.status, 0) << ended.errors;
  process_.reset();
}

void Daemon::restart() {
  stop();
  start();
}

void Daemon::kill() {
  process_->signal(SIGKILL);
  process_->wait();
  process_.reset();
}

void Daemon::freeze() {
  process_->signal(SIGSTOP);
  if (!eventually([this] { return state_of(pid()) == 'T'; })) ADD_FAILURE() << "it does not freeze";
}

void Daemon::thaw() {
  process_->signal(SIGCONT);
}

bool answers(const std::string& socket_path) {
  return proto::try_connect(socket_path).has_value();
}

}  // namespace locket::test
