// Client and daemon of different versions: each learns what to do, and no lock is lost (C9).

#include "proto/limits.hpp"
#include "proto/version.hpp"
#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

class Upgrade : public LockTest {
 protected:
  // The greeting of a client of that version.
  Json hello(RawClient& client, int protocol) {
    return client.answer(client.start("hello", {{"protocol", protocol}, {"client", "old 0.9"}}));
  }
};

TEST_F(Upgrade, A_client_of_another_version_is_told_which_one_the_daemon_speaks) {
  for (const int protocol : {0, proto::kProtocolVersion + 1, 999'999}) {
    RawClient client(daemon.socket(), RawClient::Greeting::none);
    const Json error = hello(client, protocol).at("error");
    EXPECT_EQ(name_of(error), "unsupported_protocol");
    EXPECT_EQ(error["data"]["protocol"], proto::kProtocolVersion) << "for programs";
    const std::string text = error["message"];
    EXPECT_NE(text.find("locketd " + std::string(proto::kVersion)), std::string::npos) << text;
    EXPECT_NE(text.find("not " + std::to_string(protocol)), std::string::npos) << text;
  }
}

TEST_F(Upgrade, The_session_goes_on_and_may_speak_the_daemons_version) {
  RawClient client(daemon.socket(), RawClient::Greeting::none);
  ASSERT_TRUE(hello(client, 0).contains("error"));
  EXPECT_EQ(name_of(client.error(client.acquire(path))), "invalid_request") << "not before hello";
  ASSERT_TRUE(hello(client, proto::kProtocolVersion).contains("result"));
  client.release(client.lock(path));
}

TEST_F(Upgrade, A_holder_whom_a_new_daemon_does_not_understand_keeps_the_kernels_lock_C9) {
  Child holder(program());
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  daemon.stop();
  // The holder's own library accepts the next daemon; `old` stands for one that does not.
  holder.signal(SIGSTOP);
  daemon.start();
  RawClient old(daemon.socket(), RawClient::Greeting::none);
  ASSERT_TRUE(hello(old, 0).contains("error"));
  RawClient other(daemon.socket());
  const Json refused = other.error(other.acquire(path, {{"timeout", 0}}));
  EXPECT_EQ(name_of(refused), "timed_out");
  EXPECT_EQ(refused["data"]["external"], true) << "what the kernel says counts";
  holder.signal(SIGCONT);
  EXPECT_EQ(holder.ask("release " + path), "released");
  other.lock(path);
}

TEST_F(Upgrade, A_method_or_parameter_that_a_daemon_is_too_old_for_is_refused_by_name) {
  RawClient client(daemon.socket());
  EXPECT_EQ(name_of(client.error(client.start("acquire_many"))), "unknown_method");
  const Json error = client.error(client.acquire(path, {{"priority", 7}}));
  EXPECT_EQ(name_of(error), "invalid_params");
  EXPECT_NE(std::string(error["message"]).find("priority"), std::string::npos);
  client.lock(path);
}

}  // namespace
}  // namespace locket::test
