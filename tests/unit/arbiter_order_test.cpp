// Who gets a lock, in which order, and when a claim stops waiting for it.

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/arbiter_driver.hpp"

namespace locketd::test {
namespace {

using namespace std::chrono_literals;

// ---- Modes (C1, C2) ----

TEST(Arbiter, A_free_lock_is_granted_at_once_C3) {
  ArbiterDriver d;
  EXPECT_TRUE(d.exclusive(ann, 1));
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  EXPECT_EQ(d.os_calls(), Texts{"try ann.1"});
}

TEST(Arbiter, Nobody_is_granted_before_the_kernel_said_yes_C6) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  EXPECT_EQ(d.answers(), Texts{});
  EXPECT_EQ(d.arbiter.counts().holders, 0U);
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

TEST(Arbiter, An_exclusive_lock_has_one_holder_C2) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  d.release(ann, 1);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST(Arbiter, A_lock_is_not_reentrant_C2) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(ann, 2);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

TEST(Arbiter, Shared_holders_hold_together_C2) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.shared(bob, 1);
  d.shared(ann, 2);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.1 granted", "ann.2 granted"}));
}

TEST(Arbiter, A_shared_request_waits_for_an_exclusive_holder_C2) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.shared(bob, 1);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

TEST(Arbiter, An_exclusive_request_waits_for_the_last_shared_holder_C2) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.shared(bob, 1);
  d.exclusive(cal, 1);
  d.answers();
  d.release(ann, 1);
  EXPECT_EQ(d.answers(), Texts{});
  d.release(bob, 1);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
}

TEST(Arbiter, Locks_are_told_apart_by_device_and_inode_C1) {
  ArbiterDriver d;
  d.exclusive(ann, 1, kForever, {.device = 1, .inode = 7});
  d.exclusive(ann, 2, kForever, {.device = 2, .inode = 7});
  d.exclusive(ann, 3, kForever, {.device = 1, .inode = 8});
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "ann.2 granted", "ann.3 granted"}));
}

// ---- Order (C4) ----

TEST(Arbiter, Waiters_are_served_in_order_of_arrival_C4) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.exclusive(ann, 2);
  d.exclusive(cal, 1);
  d.answers();
  d.release(ann, 1);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
  d.release(bob, 1);
  EXPECT_EQ(d.answers(), Texts{"ann.2 granted"});
  d.release(ann, 2);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
}

TEST(Arbiter, A_later_shared_request_never_overtakes_a_waiting_exclusive_one_C4) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.exclusive(bob, 1);
  d.shared(cal, 1);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  d.release(ann, 1);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
  d.release(bob, 1);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
}

TEST(Arbiter, Neighbouring_shared_waiters_are_granted_together_C4) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.shared(bob, 1);
  d.shared(cal, 1);
  d.exclusive(dan, 1);
  d.shared(ann, 2);
  d.answers();
  d.release(ann, 1);
  EXPECT_EQ(d.answers(), (Texts{"bob.1 granted", "cal.1 granted"}));
}

TEST(Arbiter, Only_the_head_of_the_queue_is_ever_tried_C4) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.shared(ann, 1);
  d.shared(bob, 1);
  EXPECT_EQ(d.os_calls(), Texts{"try ann.1"});
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.os_calls(), Texts{"try bob.1"});
}

// ---- At once (C3, C7) ----

TEST(Arbiter, A_free_lock_is_granted_to_one_who_does_not_wait_C3) {
  ArbiterDriver d;
  d.exclusive(ann, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

TEST(Arbiter, One_who_does_not_wait_is_refused_at_once_while_the_lock_is_held_C3) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, kAtOnce);
  d.shared(cal, 1, kAtOnce);
  EXPECT_EQ(d.answers(),
            (Texts{"ann.1 granted", "bob.1 refused: timed out", "cal.1 refused: timed out"}));
}

TEST(Arbiter, One_who_does_not_wait_does_not_overtake_waiters_either_C4) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.exclusive(bob, 1);
  d.shared(cal, 1, kAtOnce);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "cal.1 refused: timed out"}));
}

TEST(Arbiter, A_release_heard_at_the_last_chance_grants_C7) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.answers();
  d.last_chance = [&] { d.arbiter.release(ann, d.token(ann, 1)); };
  d.exclusive(bob, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST(Arbiter, A_release_at_the_last_chance_grants_also_when_the_kernel_is_slow_C7) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.answers();
  d.kernel = Kernel::slow;
  d.last_chance = [&] { d.arbiter.release(ann, d.token(ann, 1)); };
  d.exclusive(bob, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{});
  d.os_says(bob, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST(Arbiter, A_release_at_the_last_chance_serves_earlier_waiters_first_C4_C7) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.answers();
  d.last_chance = [&] { d.arbiter.release(ann, d.token(ann, 1)); };
  d.exclusive(cal, 1, kAtOnce);
  EXPECT_EQ(d.answers(), (Texts{"bob.1 granted", "cal.1 refused: timed out"}));
}

TEST(Arbiter, One_who_does_not_wait_is_answered_only_after_an_unsettled_attempt_C7) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{});
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  d.os_says(bob, 1, OsResult::busy);
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: timed out"});
}

TEST(Arbiter, A_holder_that_let_go_and_is_not_heard_yet_is_in_nobodys_way_C7) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, kAtOnce);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.1 refused: timed out"}));
  d.let_go = true;
  d.exclusive(cal, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
  d.let_go = false;
  d.os_calls();
  d.exclusive(dan, 1, kAtOnce);
  EXPECT_EQ(d.os_calls(), (Texts{"look dan.1", "discard dan.1"}));
  EXPECT_TRUE(d.release(ann, 1));
  EXPECT_EQ(d.os_calls(), Texts{"discard ann.1"});
}

TEST(Arbiter, A_holder_that_let_go_leaves_the_lock_to_who_came_first_C4_C7) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.let_go = true;
  d.last_chance = [&] { d.let_go = false; };
  d.exclusive(cal, 1, kAtOnce);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "cal.1 refused: timed out"}));
  d.let_go = true;
  d.last_chance = [&] { d.last_chance = [&] { d.let_go = false; }; };
  d.exclusive(cal, 2, kAtOnce);
  EXPECT_EQ(d.answers(), (Texts{"bob.1 granted", "cal.2 refused: timed out"}));
}

TEST(Arbiter, Nobody_is_due_while_it_is_about_to_be_known_whether_the_lock_can_be_had_C7) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.last_chance = [] { ADD_FAILURE() << "somebody is due"; };
  d.exclusive(ann, 1, kAtOnce);
  d.exclusive(bob, 1, kAtOnce);
  d.cancel(ann, 1);
  d.last_chance = {};
}

TEST(Arbiter, One_who_does_not_wait_is_tried_when_the_attempt_before_failed) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, kAtOnce);
  d.os_says(ann, 1, OsResult::failed, EIO);
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: os failed, 5"});
  d.os_says(bob, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST(Arbiter, One_who_does_not_wait_can_be_cancelled_during_an_unsettled_attempt) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, kAtOnce);
  d.cancel(bob, 1);
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), (Texts{"bob.1 refused: cancelled", "ann.1 granted"}));
}

// ---- Deadlines (C3) ----

TEST(Arbiter, A_waiter_is_refused_at_its_deadline_and_never_before_C3) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, 5s);
  d.answers();
  d.pass(5s - 1ns);
  EXPECT_EQ(d.answers(), Texts{});
  d.pass(1ns);
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: timed out"});
}

TEST(Arbiter, The_next_deadline_is_the_earliest_of_all_locks_C3) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(ann, 2, kForever, kOtherFile);
  d.exclusive(bob, 1, 5s);
  d.exclusive(bob, 2, 3s, kOtherFile);
  EXPECT_EQ(d.arbiter.next_deadline(), d.now.steady + 3s);
  d.cancel(bob, 2);
  EXPECT_EQ(d.arbiter.next_deadline(), d.now.steady + 5s);
}

TEST(Arbiter, No_timer_is_needed_when_nobody_waits_for_a_limited_time) {
  ArbiterDriver d;
  d.exclusive(ann, 1, 5s);
  d.exclusive(bob, 1);
  d.exclusive(cal, 1, kAtOnce);
  EXPECT_FALSE(d.arbiter.next_deadline());
  d.pass(10h);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "cal.1 refused: timed out"}));
}

TEST(Arbiter, The_queue_keeps_its_order_when_a_middle_waiter_expires_C4) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.exclusive(cal, 1, 1s);
  d.exclusive(dan, 1);
  d.pass(1s);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "cal.1 refused: timed out"}));
  d.release(ann, 1);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
  d.release(bob, 1);
  EXPECT_EQ(d.answers(), Texts{"dan.1 granted"});
}

TEST(Arbiter, An_exclusive_waiter_that_expires_lets_the_shared_ones_behind_it_in) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.exclusive(bob, 1, 1s);
  d.shared(cal, 1);
  d.shared(dan, 1);
  d.answers();
  d.pass(1s);
  EXPECT_EQ(d.answers(), (Texts{"bob.1 refused: timed out", "cal.1 granted", "dan.1 granted"}));
}

TEST(Arbiter, Deadlines_expire_in_their_order_and_equal_ones_in_that_of_arrival) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, 2s);
  d.exclusive(cal, 1, 1s);
  d.exclusive(dan, 1, 2s);
  d.answers();
  d.pass(3s);
  EXPECT_EQ(d.answers(), (Texts{"cal.1 refused: timed out", "bob.1 refused: timed out",
                                "dan.1 refused: timed out"}));
}

TEST(Arbiter, Whoever_is_granted_between_due_and_expire_keeps_the_grant_C7) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1, 1s);
  d.last_chance = [&] { d.report(d.ticket(ann, 1), OsResult::locked); };
  d.pass(1s);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

TEST(Arbiter, A_wait_does_not_outlive_its_deadline_because_the_kernel_is_slow_C3) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1, 1s);
  d.pass(1s);
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: timed out"});
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "abandon ann.1"}));
}

TEST(Arbiter, Deadlines_do_not_care_about_the_wall_clock_C3) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, 5s);
  d.answers();
  d.now.wall += 24h;
  d.pass(4s);
  EXPECT_EQ(d.answers(), Texts{});
  d.now.wall -= 48h;
  d.pass(1s);
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: timed out"});
}

// A portion is what dispatch refuses in one pass.
TEST(Arbiter, A_flood_of_claims_that_do_not_wait_makes_no_timed_one_late_C3) {
  constexpr std::size_t kPortion = 8;
  Arbiter arbiter;
  const Instant now{.steady = Monotonic(1h), .wall = {}};
  const auto claim = [&](SessionId session, RequestId request, Timeout timeout) {
    return *arbiter.acquire(now, {.session = session,
                                  .request = request,
                                  .file = kFile,
                                  .timeout = timeout,
                                  .path = {},
                                  .reason = {}});
  };
  arbiter.os_result(now, claim(ann, 1, kForever), OsResult::locked);
  const Ticket timed = claim(bob, 1, 1s);
  for (RequestId request = 1; request <= 2 * kPortion; ++request) claim(cal, request, kAtOnce);

  const auto due = arbiter.due(now.steady + 1s, kPortion);
  EXPECT_EQ(due.size(), kPortion / 2 + 1);
  EXPECT_EQ(due.back(), timed);
}

}  // namespace
}  // namespace locketd::test
