#include "client/connection.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <random>
#include <thread>
#include <vector>

#include "tests/client/fake_daemon.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;
using proto::Errc;
using test::failure;
using test::FakeDaemon;

const proto::Call kAnyCall = proto::Status{};

TimePoint soon() {
  return Clock::now() + 10s;
}

std::uint64_t uptime_in(const std::optional<proto::Answer>& answer) {
  return std::get<proto::StatusReport>(answer.value()).grants;
}

// An answer that can be told from others.
proto::StatusReport marked(std::uint64_t mark) {
  proto::StatusReport report;
  report.grants = mark;
  return report;
}

class ConnectionTest : public testing::Test {
 protected:
  Pending start(const proto::Call& call = kAnyCall) {
    auto pending = connection.start(call, soon());
    return pending ? std::move(*pending) : throw std::runtime_error(pending.error().message);
  }

  // Waits in a separate thread.
  static std::future<std::optional<proto::Answer>> waiting(Pending& pending,
                                                           TimePoint until = kNever) {
    return std::async(std::launch::async, [&pending, until] { return pending.wait(until); });
  }

  FakeDaemon daemon;
  Process process{daemon.sockets()};
  Connection& connection = process.connection;
};

TEST_F(ConnectionTest, Hello_and_first_request_go_out_together) {
  auto pending = start();
  daemon.accept();
  EXPECT_EQ(daemon.next_call<proto::Hello>().protocol, 1);
  const auto request = daemon.next();  // although the hello has no answer yet
  daemon.reply(request.id, marked(1));
  EXPECT_EQ(uptime_in(pending.wait(soon())), 1U);
}

TEST_F(ConnectionTest, Welcome_tells_the_daemons_process) {
  auto pending = start();
  EXPECT_EQ(connection.daemon_pid(), 0);
  daemon.welcome();
  daemon.reply(daemon.next().id, marked(1));
  ASSERT_TRUE(pending.wait(soon()));
  EXPECT_EQ(connection.daemon_pid(), 4711);
}

TEST_F(ConnectionTest, Answers_reach_their_callers_in_whatever_order_they_come) {
  auto first = start();
  auto second = start();
  daemon.welcome();
  const auto first_id = daemon.next().id;
  const auto second_id = daemon.next().id;
  auto first_answer = waiting(first);
  auto second_answer = waiting(second);
  daemon.reply(second_id, marked(2));
  EXPECT_EQ(uptime_in(second_answer.get()), 2U);
  daemon.reply(first_id, marked(1));
  EXPECT_EQ(uptime_in(first_answer.get()), 1U);
}

TEST_F(ConnectionTest, Somebody_always_reads_while_anybody_waits) {
  constexpr std::size_t kWaiters = 8;
  std::vector<Pending> pending;
  for (std::size_t i = 0; i < kWaiters; ++i) pending.push_back(start());
  daemon.welcome();
  std::vector<std::optional<proto::RequestId>> ids;
  for (std::size_t i = 0; i < kWaiters; ++i) ids.push_back(daemon.next().id);
  std::vector<std::future<std::optional<proto::Answer>>> answers;
  for (auto& each : pending) answers.push_back(waiting(each));
  // One by one: each time the leader gets its answer, another thread must take over the reading.
  for (std::size_t i = 0; i < kWaiters; ++i) {
    daemon.reply(ids[i], marked(i));
    ASSERT_EQ(answers[i].wait_for(10s), std::future_status::ready);
    EXPECT_EQ(uptime_in(answers[i].get()), i);
  }
}

TEST_F(ConnectionTest, A_leader_whose_time_is_over_leaves_the_reading_to_another) {
  auto leads = start();
  auto follows = start();
  daemon.welcome();
  std::ignore = daemon.next();
  const auto id = daemon.next().id;
  auto leader = waiting(leads, Clock::now() + 30ms);
  auto follower = waiting(follows);
  EXPECT_EQ(leader.get(), std::nullopt);
  daemon.reply(id, marked(2));
  EXPECT_EQ(uptime_in(follower.get()), 2U);
}

TEST_F(ConnectionTest, Waiting_ends_at_its_time_and_may_go_on_C3) {
  auto pending = start();
  daemon.welcome();
  const auto id = daemon.next().id;
  const auto until = Clock::now() + 20ms;
  EXPECT_EQ(pending.wait(until), std::nullopt);
  EXPECT_GE(Clock::now(), until);
  daemon.reply(id, marked(1));
  EXPECT_EQ(uptime_in(pending.wait(soon())), 1U);
}

TEST_F(ConnectionTest, Waiting_until_now_takes_what_is_there) {
  auto pending = start();
  daemon.welcome();
  daemon.reply(daemon.next().id, marked(1));
  EXPECT_EQ(uptime_in(pending.wait(Clock::now())), 1U);
}

TEST_F(ConnectionTest, An_abandoned_call_is_cancelled_and_its_late_reply_ignored) {
  auto unwanted = start();
  daemon.welcome();
  const auto id = daemon.next().id;
  unwanted = Pending();
  EXPECT_EQ(daemon.next_call<proto::Cancel>().request, id);
  daemon.reply(id, proto::Grant{7});
  auto next = start();
  daemon.reply(daemon.next().id, marked(2));
  EXPECT_EQ(uptime_in(next.wait(soon())), 2U);
}

TEST_F(ConnectionTest, All_pending_calls_learn_that_the_connection_is_lost) {
  auto first = start();
  auto second = start();
  daemon.welcome();
  auto leader = waiting(first);
  auto follower = waiting(second);
  daemon.hang_up();
  for (auto* answer : {&leader, &follower}) {
    EXPECT_EQ(std::get<proto::Failure>(answer->get().value()).error.code, Errc::connection_lost);
  }
}

TEST_F(ConnectionTest, The_next_call_after_a_lost_connection_makes_a_new_one) {
  const auto lost = start();
  daemon.welcome();
  daemon.hang_up();
  // No thread was there to notice.
  auto pending = start();
  daemon.welcome();
  daemon.reply(daemon.next().id, marked(1));
  EXPECT_EQ(uptime_in(pending.wait(soon())), 1U);
}

TEST_F(ConnectionTest, A_notice_without_a_session_makes_none) {
  auto pending = start();
  daemon.welcome();
  daemon.hang_up();
  ASSERT_TRUE(pending.wait(soon()));
  connection.notify(proto::Release{5});
  auto next = start();
  daemon.welcome();
  EXPECT_EQ(daemon.next().call.index(), kAnyCall.index());
}

TEST_F(ConnectionTest, A_question_whose_daemon_dies_is_asked_again) {
  auto answer = std::async(std::launch::async, [this] { return connection.call(kAnyCall); });
  for (int i = 0; i < 2; ++i) {
    daemon.welcome();
    std::ignore = daemon.next();
    daemon.hang_up();
  }
  daemon.welcome();
  daemon.reply(daemon.next().id, marked(3));
  EXPECT_EQ(uptime_in(answer.get().value()), 3U);
}

TEST_F(ConnectionTest, What_the_daemon_complains_of_before_it_hangs_up_is_the_reason) {
  auto pending = start();
  daemon.welcome();
  daemon.reply(std::nullopt, failure(Errc::limit_reached, "too many sessions"));
  daemon.hang_up();
  const auto answer = pending.wait(soon());
  EXPECT_EQ(std::get<proto::Failure>(answer.value()).error.message, "too many sessions");
}

TEST_F(ConnectionTest, A_hello_that_is_refused_fails_the_calls_behind_it) {
  auto pending = start();
  daemon.accept();
  daemon.reply(daemon.next().id, failure(Errc::unsupported_protocol, "speaks protocol 2"));
  const auto answer = pending.wait(soon());
  EXPECT_EQ(std::get<proto::Failure>(answer.value()).error.code, Errc::unsupported_protocol);
}

TEST_F(ConnectionTest, A_daemon_of_another_version_is_an_error_that_says_what_to_upgrade) {
  for (const int version : {0, 2}) {
    auto pending = start();
    daemon.accept();
    auto refused = failure(Errc::unsupported_protocol, "this is locketd 9, which speaks another");
    refused.protocol = version;
    daemon.reply(daemon.next().id, refused);
    const auto answer = pending.wait(soon());
    const std::string& message = std::get<proto::Failure>(answer.value()).error.message;
    EXPECT_TRUE(message.starts_with("this is locketd 9, which speaks another; this is liblocket "))
        << message;
    EXPECT_TRUE(message.ends_with(version == 2 ? "upgrade liblocket and restart the program"
                                               : "upgrade locketd and restart it"))
        << message;
  }
}

TEST_F(ConnectionTest, Noise_instead_of_a_reply_ends_the_connection) {
  auto pending = start();
  daemon.welcome();
  daemon.send("\x01\xff no JSON\n");
  const auto answer = pending.wait(soon());
  EXPECT_EQ(std::get<proto::Failure>(answer.value()).error.code, Errc::connection_lost);
  EXPECT_TRUE(daemon.sees_end());
}

TEST_F(ConnectionTest, No_daemon_is_an_error_that_says_where_it_was_looked_for) {
  Process nowhere([] { return std::vector<std::string>{"/nowhere/a.sock"}; });
  const auto begin = Clock::now();
  const auto answer = nowhere.connection.call(kAnyCall);
  EXPECT_LT(Clock::now() - begin, kPatience) << "it never had a daemon that could come back";
  EXPECT_EQ(answer.error().code, Errc::no_daemon);
  EXPECT_NE(answer.error().message.find("/nowhere/a.sock"), std::string::npos);
}

TEST_F(ConnectionTest, A_daemon_that_is_stopped_delays_no_notice_and_gets_them_all_C7) {
  auto pending = start();
  daemon.welcome();
  const auto id = daemon.next().id;
  auto waits = waiting(pending);
  // Far more than a socket holds, and the daemon reads nothing.
  constexpr proto::Token kNotices = 20'000;
  const auto begin = Clock::now();
  for (proto::Token token = 1; token <= kNotices; ++token) {
    connection.notify(proto::Release{token});
  }
  EXPECT_LT(Clock::now() - begin, 5s);
  // The thread that waits sends the rest as the daemon reads.
  for (proto::Token token = 1; token <= kNotices; ++token) {
    ASSERT_EQ(daemon.next_call<proto::Release>().token, token);
  }
  daemon.reply(id, marked(1));
  EXPECT_EQ(uptime_in(waits.get()), 1U);
}

TEST_F(ConnectionTest, Many_threads_share_one_connection) {
  constexpr int kThreads = 6;
  constexpr int kCalls = 300;
  std::vector<std::thread> callers;
  std::atomic<int> wrong = 0;
  callers.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    callers.emplace_back([&, i] {
      for (int call = 0; call < kCalls; ++call) {
        const auto token = proto::Token{static_cast<unsigned>((i * kCalls) + call)};
        const auto answer = connection.call(proto::Release{token}, soon());
        if (!answer || std::get<proto::StatusReport>(*answer).grants != token) ++wrong;
      }
    });
  }
  daemon.welcome();
  // Answers the open requests in random order as they come.
  std::minstd_rand random(1);
  std::vector<proto::Request> open;
  for (int left = kThreads * kCalls; left > 0; --left) {
    while (auto request = open.empty() ? std::optional(daemon.next()) : daemon.next_if_any()) {
      open.push_back(std::move(*request));
    }
    std::swap(open[random() % open.size()], open.back());
    daemon.reply(open.back().id, marked(std::get<proto::Release>(open.back().call).token));
    open.pop_back();
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace locket::client
