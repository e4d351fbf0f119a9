// How claims end: by cancel, release and disconnect.

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/arbiter_driver.hpp"

namespace locketd::test {
namespace {

using namespace std::chrono_literals;

// ---- Cancel ----

TEST(Arbiter, A_cancelled_wait_ends_and_the_queue_goes_on_without_it) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.exclusive(cal, 1);
  d.answers();
  EXPECT_TRUE(d.cancel(bob, 1));
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: cancelled"});
  d.release(ann, 1);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
}

TEST(Arbiter, A_cancelled_exclusive_waiter_lets_the_shared_ones_behind_it_in) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.exclusive(bob, 1);
  d.shared(cal, 1);
  d.answers();
  d.cancel(bob, 1);
  EXPECT_EQ(d.answers(), (Texts{"bob.1 refused: cancelled", "cal.1 granted"}));
}

TEST(Arbiter, Cancel_during_an_attempt_answers_at_once_and_the_next_is_tried_after_it) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.cancel(ann, 1);
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: cancelled"});
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "abandon ann.1"}));
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "try bob.1"}));
}

TEST(Arbiter, Cancel_while_an_external_holder_is_awaited_ends_the_wait) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1);
  d.cancel(ann, 1);
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: cancelled, external"});
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "await ann.1", "abandon ann.1"}));
  d.os_says(ann, 1, OsResult::failed, EINTR);
  EXPECT_EQ(d.os_calls(), Texts{"discard ann.1"});
  EXPECT_EQ(d.arbiter.counts().locks, 0U);
}

TEST(Arbiter, Cancel_after_the_grant_releases_without_another_answer) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  EXPECT_TRUE(d.cancel(ann, 1));
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.1 granted"}));
}

TEST(Arbiter, Cancel_of_what_is_not_there_changes_nothing) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 2);
  d.answers();
  d.os_calls();
  EXPECT_FALSE(d.cancel(ann, 2)) << "another session's request";
  EXPECT_FALSE(d.cancel(cal, 1)) << "an unknown session";
  EXPECT_EQ(d.answers(), Texts{});
  EXPECT_EQ(d.os_calls(), Texts{});
}

TEST(Arbiter, Cancel_twice_finds_nothing_the_second_time) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  EXPECT_TRUE(d.cancel(bob, 1));
  EXPECT_FALSE(d.cancel(bob, 1));
}

// ---- Request ids ----

TEST(Arbiter, A_duplicate_request_id_is_refused_while_the_first_waits_or_holds) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  EXPECT_FALSE(d.exclusive(ann, 1, kForever, kOtherFile));
  EXPECT_FALSE(d.exclusive(bob, 1, kForever, kOtherFile));
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
  EXPECT_EQ(d.arbiter.counts().locks, 1U);
  EXPECT_EQ(d.arbiter.claim_count(ann), 1U);
}

TEST(Arbiter, A_request_id_may_be_used_again_after_its_end) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.release(ann, 1);
  EXPECT_TRUE(d.exclusive(ann, 1));
  d.cancel(ann, 1);
  EXPECT_TRUE(d.exclusive(ann, 1, kAtOnce));
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.1 granted", "ann.1 refused: cancelled",
                                "ann.1 refused: timed out"}));
}

TEST(Arbiter, A_request_id_may_be_used_again_while_its_first_attempt_is_abandoned) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  const Ticket abandoned = d.ticket(ann, 1);
  d.cancel(ann, 1);
  EXPECT_TRUE(d.exclusive(ann, 1));
  d.answers();
  d.os_says(abandoned, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{});
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

// ---- Release ----

TEST(Arbiter, Release_of_another_sessions_lock_changes_nothing_C5) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.answers();
  EXPECT_FALSE(d.release_token(bob, d.token(ann, 1)));
  EXPECT_EQ(d.answers(), Texts{});
  EXPECT_EQ(d.arbiter.counts().holders, 1U);
}

TEST(Arbiter, Release_twice_fails_and_does_not_free_the_next_holders_lock_C5) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.exclusive(cal, 1);
  EXPECT_TRUE(d.release(ann, 1));
  EXPECT_FALSE(d.release(ann, 1));
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.1 granted"}));
}

TEST(Arbiter, Release_of_an_unknown_token_fails_C5) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  EXPECT_FALSE(d.release_token(ann, 0));
  EXPECT_FALSE(d.release_token(ann, d.token(ann, 1) + 1));
  EXPECT_EQ(d.arbiter.counts().holders, 1U);
}

TEST(Arbiter, A_released_lock_is_discarded_before_the_next_is_tried) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.os_calls();
  d.release(ann, 1);
  EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "try bob.1"}));
}

// ---- Disconnect (C8) ----

TEST(Arbiter, Disconnect_passes_everything_that_was_held_on_C8) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(ann, 2, kForever, kOtherFile);
  d.exclusive(bob, 1);
  d.exclusive(cal, 1, kForever, kOtherFile);
  d.answers();
  d.disconnect(ann);
  EXPECT_EQ(d.answers(), (Texts{"bob.1 granted", "cal.1 granted"}));
}

TEST(Arbiter, Disconnect_does_not_grant_ones_own_wait_on_the_way_C8) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(ann, 2);
  d.exclusive(bob, 1);
  d.shared(ann, 3);
  d.answers();
  d.os_calls();
  d.disconnect(ann);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
  EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "discard ann.2", "discard ann.3", "try bob.1"}));
}

TEST(Arbiter, Disconnect_of_a_shared_holder_leaves_the_others_alone_C8) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.shared(bob, 1);
  d.exclusive(cal, 1);
  d.answers();
  d.disconnect(ann);
  EXPECT_EQ(d.answers(), Texts{});
  d.disconnect(bob);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
}

TEST(Arbiter, Disconnect_of_an_exclusive_waiter_lets_the_shared_ones_behind_it_in_C8) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.exclusive(bob, 1);
  d.shared(cal, 1);
  d.answers();
  d.disconnect(bob);
  EXPECT_EQ(d.answers(), Texts{"cal.1 granted"});
}

TEST(Arbiter, Disconnect_during_an_attempt_waits_for_its_end_before_the_next_C8) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.disconnect(ann);
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "abandon ann.1"}));
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "try bob.1"}));
  EXPECT_EQ(d.answers(), Texts{});
}

TEST(Arbiter, One_who_stops_waiting_keeps_what_it_holds) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.shared(bob, 1, kForever, kOtherFile);
  d.exclusive(ann, 2, kForever, kOtherFile);
  d.shared(ann, 3, 5s, kOtherFile);
  d.shared(cal, 1, kForever, kOtherFile);
  d.answers();
  d.stop_waiting(ann);
  EXPECT_EQ(d.answers(),
            (Texts{"ann.2 refused: cancelled", "ann.3 refused: cancelled", "cal.1 granted"}));
  EXPECT_EQ(d.arbiter.claim_count(ann), 1U);
}

TEST(Arbiter, Disconnect_of_an_unknown_session_changes_nothing) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.disconnect(bob);
  EXPECT_EQ(d.arbiter.counts().holders, 1U);
}

TEST(Arbiter, A_session_may_go_on_after_all_its_claims_have_ended) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.release(ann, 1);
  EXPECT_EQ(d.arbiter.claim_count(ann), 0U);
  d.exclusive(ann, 2);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "ann.2 granted"}));
}

}  // namespace
}  // namespace locketd::test
