// What happens to claims when the daemon that knew them is gone (C9), at the protocol level.

#include <sys/file.h>
#include <unistd.h>

#include <vector>

#include "proto/lock_file.hpp"
#include "tests/client/reclaim_fixture.hpp"
#include "tests/support/kernel_lock.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;
using proto::Errc;
using proto::Mode;
using proto::Seconds;
using test::eventually;
using test::failure;
using test::kernel_admits;

TEST_F(ReclaimTest, A_new_daemon_is_told_what_is_held_before_anybody_asks_C9) {
  const auto lock = make(path);
  EXPECT_TRUE(lock->set_reason("a reason"));
  acquire(*lock, 7);
  succeed();
  const auto request = daemon.next();
  const auto& reclaim = std::get<proto::Reclaim>(request.call);
  EXPECT_EQ(reclaim.token, 7U);
  EXPECT_EQ(reclaim.path, path);
  EXPECT_EQ(reclaim.mode, Mode::exclusive);
  EXPECT_EQ(reclaim.reason, "a reason");
  EXPECT_FALSE(reclaim.timeout);
  EXPECT_GE(reclaim.age, Seconds::zero());
  EXPECT_EQ(proto::identify(daemon.take_descriptor().get()).value(), proto::identify(path).value());
  daemon.reply(request.id, proto::Grant{7});
  EXPECT_EQ(lock->token(), 7U);
  EXPECT_TRUE(lock->release());
  EXPECT_EQ(daemon.next_call<proto::Release>().token, 7U);
}

TEST_F(ReclaimTest, Every_daemon_is_told_one_after_the_other_C9) {
  const auto lock = make(path);
  acquire(*lock, 7);
  for (int life = 0; life < 20; ++life) {
    succeed();
    EXPECT_EQ(daemon.next_call<proto::Reclaim>().token, 7U);
  }
}

TEST_F(ReclaimTest, Ten_thousand_daemons_leave_nothing_behind_C9) {
  const auto lock = make(path);
  acquire(*lock, 7);
  for (int life = 0; life < 10'000; ++life) {
    succeed();
    const auto request = daemon.next();
    ASSERT_EQ(std::get<proto::Reclaim>(request.call).token, 7U);
    daemon.reply(request.id, proto::Grant{7});
  }
  EXPECT_LT(test::open_descriptors(::getpid()).size(), 100U);
  EXPECT_LT(test::threads_of(::getpid()).size(), 10U);
}

TEST_F(ReclaimTest, A_wait_goes_on_with_its_place_and_the_time_that_is_left_C9) {
  const auto lock = make(path);
  auto granted = acquiring(*lock, Seconds(30), Mode::shared);
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Waiting{42});
  succeed();
  const auto request = daemon.next();
  const auto& reclaim = std::get<proto::Reclaim>(request.call);
  EXPECT_EQ(reclaim.ticket, 42U);
  EXPECT_FALSE(reclaim.token);
  EXPECT_EQ(reclaim.mode, Mode::shared);
  EXPECT_LT(reclaim.timeout.value(), Seconds(30));
  EXPECT_GT(reclaim.timeout.value(), Seconds(10));
  EXPECT_GT(reclaim.age, Seconds::zero());
  daemon.take_descriptor();
  daemon.reply(request.id, proto::Grant{8});
  EXPECT_EQ(granted.get(), 8U);
}

TEST_F(ReclaimTest, A_wait_for_ever_whose_place_was_never_told_comes_back_too_C9) {
  const auto lock = make(path);
  auto granted = acquiring(*lock);
  for (int life = 0; life < 3; ++life) {
    daemon.welcome();
    const auto request = daemon.next();
    if (life > 0) {
      EXPECT_EQ(std::get<proto::Reclaim>(request.call).ticket, 0U);
      EXPECT_FALSE(std::get<proto::Reclaim>(request.call).timeout);
    }
    daemon.hang_up();
  }
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Grant{8});
  EXPECT_EQ(granted.get(), 8U);
}

TEST_F(ReclaimTest, What_is_held_is_told_before_what_is_waited_for_and_both_before_what_is_new_C9) {
  std::vector<std::unique_ptr<Lock>> locks;
  std::vector<Granted> waiting;
  for (int i = 0; i < 6; ++i) locks.push_back(make(folder / std::to_string(i)));
  acquire(*locks[0], 1);
  for (std::size_t i = 3; i < 5; ++i) {
    waiting.push_back(acquiring(*locks[i]));
    daemon.reply(daemon.next().id, proto::Waiting{i});
  }
  acquire(*locks[1], 2);
  acquire(*locks[2], 3);
  daemon.die();
  waiting.push_back(acquiring(*locks[5]));
  daemon.come_back();
  daemon.welcome();
  for (proto::Token token = 1; token <= 3; ++token) {
    EXPECT_EQ(daemon.next_call<proto::Reclaim>().token, token);
  }
  for (std::size_t i = 3; i < 6; ++i) {
    const auto request = daemon.next();
    const auto* reclaim = std::get_if<proto::Reclaim>(&request.call);
    // The new claim may have been on its way to the daemon that died. It has no place there.
    EXPECT_TRUE(i == 5 || reclaim != nullptr);
    if (reclaim != nullptr) {
      EXPECT_EQ(reclaim->ticket, i < 5 ? i : 0);
    }
    daemon.reply(request.id, proto::Grant{i + 10});
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(waiting[i].get(), i + 13);
}

TEST_F(ReclaimTest, An_attempt_without_waiting_is_simply_made_again_C9) {
  const auto lock = make(path);
  auto granted = acquiring(*lock, Seconds(0));
  daemon.welcome();
  std::ignore = daemon.next();
  succeed();
  const auto request = daemon.next();
  EXPECT_EQ(std::get<proto::Acquire>(request.call).timeout, Seconds(0));
  daemon.reply(request.id, proto::Grant{8});
  EXPECT_EQ(granted.get(), 8U);
}

TEST_F(ReclaimTest, A_grant_that_the_daemon_sent_before_it_died_counts_C9) {
  auto lock = make(path);
  auto attempt = lock->begin(Mode::exclusive, std::nullopt).value();
  daemon.welcome();
  daemon.grant(daemon.next(), 7);
  daemon.die();  // before the grant has been read
  daemon.come_back();
  daemon.welcome();
  EXPECT_EQ(daemon.next_call<proto::Reclaim>().token, 7U);
  EXPECT_EQ(attempt.wait().value(), 7U);
  EXPECT_EQ(lock->token(), 7U);
}

TEST_F(ReclaimTest, A_grant_that_nobody_has_taken_yet_is_told_as_held_C9) {
  auto claim =
      std::make_unique<Claim>(proto::Acquire{.path = path, .timeout = {}, .reason = {}},
                              proto::LockFile::State(), proto::open_lock_file(path).value());
  auto pending = process.connection.start(std::move(claim), kNever).value();
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Grant{7});
  ASSERT_TRUE(std::holds_alternative<proto::Grant>(pending.wait(kNever).value()));
  succeed();  // between the grant and its adoption
  EXPECT_EQ(daemon.next_call<proto::Reclaim>().token, 7U);
  Custody::Handle handle;
  EXPECT_TRUE(process.custody.adopt(7, &handle));
  release_hold(process.custody.take(&handle).value(), process.connection);
  EXPECT_EQ(daemon.next_call<proto::Release>().token, 7U);
}

TEST_F(ReclaimTest, A_grant_that_nobody_wants_any_more_is_released) {
  auto claim =
      std::make_unique<Claim>(proto::Acquire{.path = path, .timeout = {}, .reason = {}},
                              proto::LockFile::State(), proto::open_lock_file(path).value());
  auto pending = process.connection.start(std::move(claim), kNever).value();
  auto other = process.connection.start(proto::Status{}, kNever).value();
  daemon.welcome();
  const auto id = daemon.next().id;
  const auto copy = daemon.take_descriptor();
  ASSERT_EQ(::flock(copy.get(), LOCK_EX | LOCK_NB), 0);
  daemon.reply(id, proto::Grant{7});
  daemon.reply(daemon.next().id, proto::StatusReport{});
  ASSERT_TRUE(other.wait(kNever));  // reads both
  pending = Pending();
  EXPECT_TRUE(kernel_admits(path));
  EXPECT_EQ(daemon.next_call<proto::Release>().token, 7U);
}

TEST_F(ReclaimTest, What_the_dead_daemon_locked_for_a_waiter_at_its_last_moment_is_free_again_C9) {
  const auto lock = make(path);
  auto granted = acquiring(*lock, Seconds(30));
  daemon.welcome();
  std::ignore = daemon.next();
  ASSERT_EQ(::flock(daemon.take_descriptor().get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_FALSE(kernel_admits(path));
  daemon.die();
  EXPECT_TRUE(eventually([&] { return kernel_admits(path); }));
  daemon.come_back();
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Grant{8});
  EXPECT_EQ(granted.get(), 8U);
}

TEST_F(ReclaimTest, A_timed_wait_ends_on_time_when_no_daemon_comes_back_and_says_so_C3) {
  const auto lock = make(path);
  const auto begin = Clock::now();
  auto granted = acquiring(*lock, Seconds(0.3));
  daemon.welcome();
  std::ignore = daemon.next();
  daemon.die();
  const auto outcome = granted.get();
  EXPECT_GE(Clock::now() - begin, 300ms);
  EXPECT_LT(Clock::now() - begin, 5s);
  EXPECT_EQ(outcome.error().error.code, Errc::timed_out);
  EXPECT_TRUE(outcome.error().error.message.starts_with("locketd went away and is not back yet ("))
      << outcome.error().error.message;
  EXPECT_NE(outcome.error().error.message.find(daemon.socket()), std::string::npos);
  daemon.come_back();
  auto next = acquiring(*lock);
  daemon.welcome();
  EXPECT_TRUE(std::holds_alternative<proto::Acquire>(daemon.next().call)) << "nothing else is left";
  daemon.hang_up();
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Grant{8});
  EXPECT_EQ(next.get(), 8U);
}

TEST_F(ReclaimTest, What_was_released_without_a_daemon_is_not_told_to_the_next_one_C7) {
  const auto lock = make(path);
  const auto other = make(folder / "other");
  acquire(*lock, 7);
  acquire(*other, 8);
  daemon.die();
  EXPECT_TRUE(lock->release());
  EXPECT_TRUE(kernel_admits(path));
  daemon.come_back();
  daemon.welcome();
  EXPECT_EQ(daemon.next_call<proto::Reclaim>().token, 8U);
  EXPECT_FALSE(daemon.next_if_any());
}

TEST_F(ReclaimTest, An_answer_to_the_reclaim_of_what_was_released_meanwhile_is_ignored_C7) {
  const auto lock = make(path);
  acquire(*lock, 7);
  succeed();
  const auto request = daemon.next();
  EXPECT_TRUE(lock->release());
  EXPECT_EQ(daemon.next_call<proto::Release>().token, 7U);
  daemon.reply(request.id, failure(Errc::lost, "it is gone"));
  acquire(*lock, 8);
  EXPECT_EQ(lock->token(), 8U);
  EXPECT_TRUE(lock->release());
}

TEST_F(ReclaimTest, A_daemon_without_room_for_a_hold_is_asked_again_and_it_stays_held_C9) {
  const auto lock = make(path);
  acquire(*lock, 7);
  succeed();
  for (int i = 0; i < 5; ++i) {
    const auto request = daemon.next();
    EXPECT_EQ(std::get<proto::Reclaim>(request.call).token, 7U);
    EXPECT_EQ(lock->token(), 7U);
    daemon.reply(request.id, failure(Errc::limit_reached, "too many"));
  }
  daemon.reply(daemon.next().id, proto::Grant{7});
  EXPECT_EQ(lock->token(), 7U);
  EXPECT_TRUE(lock->release());
}

TEST_F(ReclaimTest, A_daemon_without_room_for_a_wait_is_asked_again_C9) {
  const auto lock = make(path);
  auto granted = acquiring(*lock);
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Waiting{42});
  succeed();
  for (int i = 0; i < 3; ++i) {
    daemon.reply(daemon.next().id, failure(Errc::limit_reached, "too many"));
  }
  const auto request = daemon.next();
  EXPECT_EQ(std::get<proto::Reclaim>(request.call).ticket, 42U);
  daemon.reply(request.id, proto::Grant{8});
  EXPECT_EQ(granted.get(), 8U);
}

TEST_F(ReclaimTest, A_daemon_that_does_not_let_us_in_takes_no_lock_away_C9) {
  const auto lock = make(path);
  const auto other = make(folder / "other");
  acquire(*lock, 7);
  auto granted = acquiring(*other);
  daemon.reply(daemon.next().id, proto::Waiting{42});
  for (const Errc code : {Errc::limit_reached, Errc::unsupported_protocol}) {
    daemon.hang_up();
    daemon.accept();
    daemon.reply(daemon.next().id, failure(code, "not you"));
  }
  succeed();
  EXPECT_EQ(daemon.next_call<proto::Reclaim>().token, 7U);
  EXPECT_EQ(lock->token(), 7U);
  daemon.reply(daemon.next().id, proto::Grant{8});
  EXPECT_EQ(granted.get(), 8U);
}

TEST_F(ReclaimTest, A_new_claim_that_is_not_let_in_fails_at_once_with_the_reason) {
  const auto lock = make(path);
  auto granted = acquiring(*lock);
  daemon.accept();
  daemon.reply(daemon.next().id, failure(Errc::limit_reached, "too many sessions"));
  EXPECT_EQ(granted.get().error().error.message, "too many sessions");
}

TEST_F(ReclaimTest, A_restart_of_the_daemon_is_waited_for_by_who_comes_meanwhile_C9) {
  const auto lock = make(path);
  acquire(*lock, 7);
  EXPECT_TRUE(lock->release());
  daemon.die();
  auto granted = acquiring(*lock, Seconds(0));
  EXPECT_EQ(granted.wait_for(50ms), std::future_status::timeout);
  daemon.come_back();
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Grant{8});
  EXPECT_EQ(granted.get(), 8U);
}

TEST_F(ReclaimTest, A_daemon_that_stays_away_is_an_error_after_a_while) {
  const auto lock = make(path);
  acquire(*lock, 7);
  EXPECT_TRUE(lock->release());
  daemon.die();
  const auto begin = Clock::now();
  EXPECT_EQ(acquiring(*lock).get().error().error.code, Errc::no_daemon);
  EXPECT_GE(Clock::now() - begin, kPatience);
}

TEST_F(ReclaimTest, Whoever_gives_up_without_a_daemon_is_not_told_to_the_next_one) {
  const auto lock = make(path);
  const auto other = make(folder / "other");
  acquire(*other, 7);
  {
    const auto attempt = lock->begin(Mode::exclusive, std::nullopt);
    std::ignore = daemon.next();
    daemon.die();
  }
  daemon.come_back();
  daemon.welcome();
  EXPECT_EQ(daemon.next_call<proto::Reclaim>().token, 7U);
  EXPECT_FALSE(daemon.next_if_any());
}

TEST_F(ReclaimTest, A_session_that_outlasts_its_connection_does_so_at_every_daemon) {
  const auto lock = make(path);
  acquire(*lock, 7);
  auto kept = std::async(std::launch::async, [&] { return lock->keep_across_exec("rsync"); });
  const auto request = daemon.next();
  EXPECT_EQ(std::get<proto::Detach>(request.call).command, "rsync");
  daemon.reply(request.id, proto::Done{});
  EXPECT_EQ(kept.get().value().token, 7U);
  succeed();
  EXPECT_EQ(daemon.next_call<proto::Detach>().command, "rsync");
  EXPECT_EQ(daemon.next_call<proto::Reclaim>().token, 7U);
}

TEST_F(ReclaimTest, Thousands_of_claims_come_back_through_a_socket_that_holds_hundreds_C9) {
  constexpr proto::Token kHolds = 2000;
  for (proto::Token token = 1; token <= kHolds; ++token) {
    auto claim = std::make_unique<Claim>();
    claim->asked.path = "/srv/" + std::string(500, 'x');
    process.custody.add(claim, token);
  }
  auto any = process.connection.start(proto::Status{}, kNever);
  daemon.welcome();
  for (proto::Token token = 1; token <= kHolds;) {
    const auto request = daemon.next();
    const auto* reclaim = std::get_if<proto::Reclaim>(&request.call);
    if (reclaim == nullptr) continue;  // earlier requests still leave when there is room
    ASSERT_EQ(reclaim->token, token);
    daemon.reply(request.id, proto::Grant{token++});
  }
}

}  // namespace
}  // namespace locket::client
