// Claims of the former daemon come back: C9, and C3, C4, C6, C7 meanwhile.

#include <gtest/gtest.h>

#include "tests/unit/arbiter_driver.hpp"

namespace locketd::test {
namespace {

using namespace std::chrono_literals;

Claim claim(SessionId session, RequestId request, Mode mode = Mode::exclusive,
            Timeout timeout = kForever) {
  return {.session = session, .request = request, .file = kFile, .mode = mode, .timeout = timeout};
}

Former held(Token token, Ticket ticket = 0) {
  return {.ticket = ticket, .token = token};
}
Former waited(Ticket ticket, std::chrono::nanoseconds age = 0s) {
  return {.ticket = ticket, .token = {}, .age = age};
}

// ---- Holders ----

TEST(Reclaim, A_former_holder_holds_again_with_its_token_if_the_kernel_agrees_C9) {
  ArbiterDriver d;
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  EXPECT_EQ(d.os_calls(), Texts{"check ann.1"}) << "asked, and not tried: that might lock";
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  EXPECT_EQ(d.token(ann, 1), 77U);
  EXPECT_EQ(d.arbiter.counts().grants, 0U) << "it was granted before";
  d.exclusive(bob, 1);
  EXPECT_EQ(d.answers(), Texts{});
  EXPECT_TRUE(d.release_token(ann, 77));
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
  EXPECT_GT(d.token(bob, 1), 77U);
}

TEST(Reclaim, One_of_whom_the_kernel_knows_nothing_is_told_that_it_lost_the_lock_C6) {
  ArbiterDriver d;
  d.still_locked = false;
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: lost"});
  EXPECT_FALSE(d.release_token(ann, 77));
  EXPECT_EQ(d.arbiter.counts().locks, 0U);
}

TEST(Reclaim, Its_age_and_its_place_are_what_they_were_C9) {
  ArbiterDriver d;
  ASSERT_TRUE(d.reclaim(claim(bob, 1, Mode::shared), {.ticket = 5, .token = 9, .age = 60s}));
  ASSERT_TRUE(d.reclaim(claim(ann, 1, Mode::shared), {.ticket = 3, .token = 8, .age = 90s}));
  std::vector<SessionId> order;
  d.arbiter.visit({}, [&](const Entry& entry, bool) {
    order.push_back(entry.claim.session);
    EXPECT_EQ(d.now.steady - entry.since.steady, entry.claim.session == ann ? 90s : 60s);
    EXPECT_EQ(d.now.wall - entry.since.wall, entry.claim.session == ann ? 90s : 60s);
    return true;
  });
  EXPECT_EQ(order, (std::vector<SessionId>{ann, bob}));
}

TEST(Reclaim, A_holder_that_comes_late_goes_ahead_of_those_who_took_it_for_an_external_one_C9) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(bob, 1);
  EXPECT_EQ(d.os_calls(), (Texts{"try bob.1", "await bob.1"}));
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  EXPECT_EQ(d.os_calls(), (Texts{"check ann.1", "abandon bob.1"}));
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  d.os_says(bob, 1, OsResult::busy);
  EXPECT_EQ(d.os_calls(), Texts{}) << "it waits for Ann now, whom it can see";
  d.kernel = Kernel::free;
  EXPECT_TRUE(d.release(ann, 1));
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST(Reclaim, A_holder_that_let_go_before_its_release_is_heard_is_in_nobodys_way_C6) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(bob, 1);
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  d.answers();
  d.os_says(bob, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"}) << "the kernel gave it to Bob";
  EXPECT_TRUE(d.release(ann, 1));
}

TEST(Reclaim, A_check_that_takes_long_holds_up_this_lock_alone_C15) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  d.exclusive(bob, 1);
  d.exclusive(bob, 2, kAtOnce);
  EXPECT_EQ(d.os_calls(), Texts{"check ann.1"});
  EXPECT_EQ(d.answers(), Texts{});
  d.kernel = Kernel::free;
  d.exclusive(cal, 1, kForever, kOtherFile);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.2 refused: timed out"}));
}

TEST(Reclaim, One_that_leaves_during_its_check_is_discarded_after_it_C8) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  d.exclusive(bob, 1);
  d.disconnect(ann);
  EXPECT_EQ(d.os_calls(), Texts{"check ann.1"});
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "try bob.1"}));
}

// The check saw the kernel's lock before the client released it.
TEST(Reclaim, One_that_is_released_during_its_check_does_not_hold_again_C7) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  d.exclusive(bob, 1);
  EXPECT_TRUE(d.release_token(ann, 77));
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: cancelled"});
  EXPECT_EQ(d.os_calls(), Texts{"check ann.1"});
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "try bob.1"}));
  EXPECT_FALSE(d.release_token(ann, 77));
}

TEST(Reclaim, A_token_that_the_session_holds_already_is_refused_and_others_tokens_are_not_asked) {
  ArbiterDriver d;
  ASSERT_TRUE(d.reclaim(claim(ann, 1, Mode::shared), held(77)));
  EXPECT_FALSE(d.reclaim(claim(ann, 2, Mode::shared), held(77)));
  EXPECT_FALSE(d.reclaim(claim(ann, 1, Mode::shared), held(78)));
  EXPECT_TRUE(d.reclaim(claim(bob, 1, Mode::shared), held(77)));
  EXPECT_TRUE(d.release_token(ann, 77));
  EXPECT_TRUE(d.release_token(bob, 77));
}

// ---- Waiters ----

TEST(Reclaim, Former_waiters_come_back_to_their_places_in_whatever_order_C4_C9) {
  ArbiterDriver d;
  ASSERT_TRUE(d.reclaim(claim(dan, 1), held(77)));
  d.exclusive(dan, 2);
  ASSERT_TRUE(d.reclaim(claim(cal, 1), waited(30)));
  ASSERT_TRUE(d.reclaim(claim(ann, 1), waited(10)));
  ASSERT_TRUE(d.reclaim(claim(bob, 1), waited(20)));
  EXPECT_EQ(d.answers(), Texts{"dan.1 granted"});
  d.release(dan, 1);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  d.release(ann, 1);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
  d.release(bob, 1);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
  d.release(cal, 1);
  EXPECT_EQ(d.answers(), Texts{"dan.2 granted"});
}

TEST(Reclaim, One_that_comes_back_to_the_front_is_tried_in_place_of_who_was_C4) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(bob, 1);
  d.os_calls();
  ASSERT_TRUE(d.reclaim(claim(ann, 1), waited(10)));
  EXPECT_EQ(d.os_calls(), Texts{"abandon bob.1"});
  d.kernel = Kernel::free;
  d.os_says(bob, 1, OsResult::locked);
  EXPECT_EQ(d.os_calls(), (Texts{"unlock bob.1", "try ann.1"})) << "it was not Bob's turn";
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

TEST(Reclaim, One_that_gives_up_after_its_attempt_was_taken_back_is_discarded_once) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(bob, 1);
  ASSERT_TRUE(d.reclaim(claim(ann, 1), waited(10)));
  d.os_calls();
  EXPECT_TRUE(d.cancel(bob, 1));
  EXPECT_EQ(d.os_calls(), Texts{}) << "its answer is still owed";
  d.kernel = Kernel::free;
  d.os_says(bob, 1, OsResult::busy);
  EXPECT_EQ(d.os_calls(), (Texts{"discard bob.1", "try ann.1"}));
}

TEST(Reclaim, The_time_that_is_left_is_what_counts_C3) {
  ArbiterDriver d;
  d.exclusive(dan, 1);
  ASSERT_TRUE(d.reclaim(claim(ann, 1, Mode::exclusive, 2s), waited(10, 28s)));
  d.pass(1999ms);
  EXPECT_EQ(d.answers(), Texts{"dan.1 granted"});
  d.pass(1ms);
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: timed out"});
}

TEST(Reclaim, Who_has_to_wait_is_told_its_ticket_and_nobody_else) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.exclusive(cal, 1, kAtOnce);
  EXPECT_FALSE(d.was_queued(ann, 1));
  EXPECT_TRUE(d.was_queued(bob, 1));
  EXPECT_FALSE(d.was_queued(cal, 1));
  EXPECT_GT(d.ticket(bob, 1), d.ticket(ann, 1));
  d.reclaim(claim(dan, 1), waited(10));
  EXPECT_EQ(d.ticket(dan, 1), 10U);
}

TEST(Reclaim, A_ticket_that_is_taken_gives_the_place_behind_it) {
  ArbiterDriver d;
  d.exclusive(dan, 1);
  d.reclaim(claim(ann, 1), waited(10));
  d.reclaim(claim(bob, 1), waited(10));
  EXPECT_EQ(d.ticket(ann, 1), 10U);
  EXPECT_EQ(d.ticket(bob, 1), 11U);
}

TEST(Reclaim, A_ticket_that_is_yet_to_come_gives_the_last_place_C4) {
  ArbiterDriver d;
  d.exclusive(dan, 1);
  d.exclusive(ann, 1);
  d.reclaim(claim(bob, 1), waited(d.ticket(ann, 1) + 1'000'000'000));
  d.exclusive(cal, 1);
  EXPECT_LT(d.ticket(ann, 1), d.ticket(bob, 1));
  EXPECT_LT(d.ticket(bob, 1), d.ticket(cal, 1));
}

// ---- While former claims are waited for ----

class Recovery : public ::testing::Test {
 protected:
  Recovery() { d.arbiter.begin_recovery(); }

  ArbiterDriver d;
};

TEST_F(Recovery, Newcomers_wait_for_those_of_before_C9) {
  d.exclusive(bob, 1);
  d.exclusive(bob, 2, kAtOnce);
  EXPECT_EQ(d.os_calls(), Texts{});
  EXPECT_TRUE(d.was_queued(bob, 1));
  ASSERT_TRUE(d.reclaim(claim(ann, 1), waited(10)));
  d.end_recovery();
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.2 refused: timed out"}));
  d.exclusive(cal, 1, kForever, kOtherFile);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
}

TEST_F(Recovery, A_newcomer_has_the_lock_when_nobody_comes_back_C3) {
  d.exclusive(bob, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{});
  d.end_recovery();
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST_F(Recovery, Former_holders_are_not_kept_waiting_C9) {
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  EXPECT_TRUE(d.release(ann, 1));
}

TEST_F(Recovery, A_lock_that_is_released_meanwhile_goes_to_nobody_yet_C4) {
  ASSERT_TRUE(d.reclaim(claim(ann, 1), held(77)));
  ASSERT_TRUE(d.reclaim(claim(cal, 1), waited(20)));
  EXPECT_TRUE(d.release(ann, 1));
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  ASSERT_TRUE(d.reclaim(claim(bob, 1), waited(10)));
  d.end_recovery();
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST_F(Recovery, A_deadline_does_not_pass_without_a_try_C3) {
  d.exclusive(bob, 1, 10ms);
  d.pass(10ms);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST_F(Recovery, A_deadline_behind_another_is_refused_and_lets_nobody_in_C4_C9) {
  ASSERT_TRUE(d.reclaim(claim(ann, 1), waited(10)));
  d.exclusive(bob, 1, 10ms);
  d.pass(10ms);
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: timed out"});
  EXPECT_EQ(d.arbiter.next_deadline(), std::nullopt);
}

TEST_F(Recovery, After_the_last_try_of_one_the_others_are_held_back_as_before_C4_C9) {
  d.exclusive(bob, 1, 10ms);
  d.exclusive(cal, 1);
  d.pass(10ms);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
  d.release(bob, 1);
  ASSERT_TRUE(d.reclaim(claim(ann, 1), waited(10)));
  EXPECT_EQ(d.answers(), Texts{});
  d.end_recovery();
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

TEST_F(Recovery, A_deadline_at_an_external_holder_is_refused_as_ever_C13) {
  d.kernel = Kernel::external;
  d.exclusive(bob, 1, 10ms);
  d.pass(10ms);
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: timed out, external"});
}

}  // namespace
}  // namespace locketd::test
