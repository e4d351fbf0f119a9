// The fixture for tests of limits: a daemon with given limits, which the test starts.

#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/daemon.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {

class Limits : public ::testing::Test {
 protected:
  // With these options, and at most that many descriptors.
  void start(const std::vector<std::string>& options, std::optional<int> descriptors = {}) {
    Command command = Daemon::command(socket_, options);
    if (descriptors) {
      const std::string limit = "--nofile=" + std::to_string(*descriptors);
      command.words.insert(command.words.begin(), {"prlimit", limit});
    }
    daemon_ = std::make_unique<Child>(command);
    ASSERT_TRUE(eventually([&] { return answers(socket_); })) << daemon_->errors();
    // Wait until the daemon has dropped these probing sessions, which would count. The last one was
    // served, so all before it have been accepted.
    ASSERT_TRUE(eventually([&] { return is_served(); })) << daemon_->errors();
    ASSERT_TRUE(eventually([&] { return sockets_of_daemon() == 1; }));
  }

  // Its listening socket, and one per session.
  std::ptrdiff_t sockets_of_daemon() {
    return std::ranges::count_if(open_descriptors(daemon_->pid()), [](const std::string& target) {
      return target.starts_with("socket:");
    });
  }

  void TearDown() override {
    daemon_->signal(SIGTERM);
    EXPECT_EQ(daemon_->finish().status, 0) << daemon_->errors();
  }

  // What the daemon sends instead of an answer before it hangs up.
  std::string refusal() {
    RawClient client(socket_, RawClient::Greeting::none);
    greet(client);
    const auto line = client.next();
    if (!line || !line->contains("error")) return "served: " + (line ? line->dump() : "");
    EXPECT_EQ((*line)["error"]["data"]["name"], "limit_reached");
    EXPECT_TRUE(client.is_ended_by_daemon());
    return (*line)["error"]["message"];
  }

  // The daemon may have hung up already.
  static void greet(RawClient& client) {
    client.send(
        {{"jsonrpc", "2.0"}, {"id", 1}, {"method", "hello"}, {"params", {{"protocol", 1}}}});
  }

  bool is_served() { return refusal().starts_with("served"); }

  std::string refusal_of(RawClient& client, const std::string& path, Json params = Json::object()) {
    const Json error = client.error(client.acquire(path, std::move(params)));
    EXPECT_EQ(error["data"]["name"], "limit_reached");
    return error["message"];
  }

  static testing::AssertionResult names(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "no \"" << part << "\" in: " << text;
  }

  static std::string user() { return "user " + std::to_string(::geteuid()) + ' '; }

  TemporaryFolder folder_;
  std::string socket_ = folder_ / "locketd.sock";
  std::unique_ptr<Child> daemon_;
};

}  // namespace locket::test
