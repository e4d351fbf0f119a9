// One user with very many sessions, waits or descriptors, and how others are affected: C15.

#include <fcntl.h>
#include <sys/resource.h>

#include <deque>
#include <iostream>

#include "tests/integration/limits.hpp"

namespace locket::test {
namespace {

// As many descriptors as a test may have on this machine.
std::size_t raise_own_limit(std::size_t wanted) {
  rlimit limit{wanted, wanted};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {  // in some containers not even root may
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

class Crowds : public Limits {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can be two users, with many descriptors";
    most_descriptors_ = raise_own_limit(kMany);  // inherited by the daemon
  }
  void TearDown() override {
    if (daemon_) Limits::TearDown();
  }

  static constexpr std::size_t kMany = 262'144;
  std::size_t most_descriptors_ = 0;

  // The longest wait for a free lock.
  double longest_turn() {
    RawClient client(socket_);
    double longest = 0;
    for (int i = 0; i < 100; ++i) {
      const auto begin = Clock::now();
      client.release(client.lock(folder_ / "mine"));
      longest = std::max(longest, seconds_since(begin));
    }
    return longest;
  }
};

TEST_F(Crowds, Ten_thousand_sessions_of_a_user_keep_nobody_else_out_C15) {
  constexpr std::size_t kSessions = 10'000;
  start({});
  longest_turn();  // makes what is kept for good
  const std::size_t before = open_descriptors(daemon_->pid()).size();
  {
    const Bystander crowd(kNobody, [&] {
      static std::deque<RawClient> clients;
      for (std::size_t i = 0; i < kSessions; ++i) {
        clients.emplace_back(socket_, RawClient::Greeting::none);
      }
    });
    RawClient client(socket_);
    ASSERT_TRUE(eventually([&] { return client.call("status")["sessions"] > 8'000; }));
    std::cout << "with " << client.call("status")["sessions"] << " sessions, a turn took "
              << longest_turn() << " s at most\n";
    EXPECT_LE(client.call("status")["sessions"], 8'192 + 2);
    EXPECT_LT(longest_turn(), 5);
  }
  EXPECT_TRUE(eventually([&] { return open_descriptors(daemon_->pid()).size() <= before; }));
}

TEST_F(Crowds, A_hundred_thousand_waits_of_a_user_keep_nobody_else_waiting_C15) {
  constexpr int kWaits = 100'000;
  constexpr int kSessions = 10;
  // With the default limits, not all of them would be let in.
  const std::size_t most = most_descriptors_ - 1'000;  // some are for others
  start({"--max-waiting-per-user", "200000", "--max-descriptors-per-user", std::to_string(most)});
  const std::string contended = folder_.file("contended");
  RawClient holder(socket_);
  const Token held = holder.lock(contended);
  {
    const Bystander crowd(kNobody, [&] {
      static std::deque<RawClient> clients;
      for (int i = 0; i < kSessions; ++i) clients.emplace_back(socket_);
      for (int i = 0; i < kWaits; ++i) {
        const proto::Descriptor file(::open(contended.c_str(), O_RDONLY | O_CLOEXEC));
        RawClient& client = clients[static_cast<std::size_t>(i % kSessions)];
        client.start("acquire", {{"path", contended}}, {file.get()});
        if (i % 1'000 < kSessions) client.answer(client.start("status"));  // reads refusals, too
      }
      for (auto& client : clients) client.answer(client.start("status"));
    });
    const std::size_t waiting = holder.call("status")["waiters"];
    std::cout << "with " << waiting << " waiters, a turn took " << longest_turn() << " s at most\n";
    EXPECT_GT(waiting, most > kWaits ? kWaits - 1 : most / 2);
    EXPECT_LT(longest_turn(), 5);
  }
  EXPECT_TRUE(eventually([&] { return holder.call("status")["waiters"] == 0; }));
  holder.release(held);
}

}  // namespace
}  // namespace locket::test
