// What the kernel answers: external holders, attempts that are no longer wanted, failures.

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>

#include "tests/unit/arbiter_driver.hpp"

namespace locketd::test {
namespace {

using namespace std::chrono_literals;

// ---- External holders (C6) ----

TEST(Arbiter, An_external_holder_is_awaited_and_then_the_lock_granted_C6) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1);
  EXPECT_EQ(d.answers(), Texts{});
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "await ann.1"}));
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"ann.1 granted"});
}

TEST(Arbiter, Only_the_head_awaits_an_external_holder_C4_C6) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "await ann.1"}));
  d.os_says(ann, 1, OsResult::locked);
  d.release(ann, 1);
  EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "try bob.1", "await bob.1"}));
}

TEST(Arbiter, One_who_does_not_wait_is_refused_by_an_external_holder_and_told_so_C13) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: timed out, external"});
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "discard ann.1"}));
}

TEST(Arbiter, One_who_does_not_wait_is_refused_behind_an_awaited_external_holder_C13) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: timed out, external"});
}

TEST(Arbiter, One_who_does_not_wait_hears_of_an_external_holder_found_meanwhile_C13) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1, kAtOnce);
  d.os_says(ann, 1, OsResult::busy);
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: timed out, external"});
}

TEST(Arbiter, A_timed_wait_for_an_external_holder_ends_at_its_deadline_C3_C13) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1, 2s);
  d.exclusive(bob, 1, 1s);
  d.pass(1s);
  EXPECT_EQ(d.answers(), Texts{"bob.1 refused: timed out, external"});
  d.pass(1s);
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: timed out, external"});
}

TEST(Arbiter, A_wait_for_our_own_holder_is_not_called_external_C13) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.kernel = Kernel::external;
  d.exclusive(bob, 1, 1s);
  d.pass(1s);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.1 refused: timed out"}));
}

TEST(Arbiter, Shared_holders_keep_what_they_have_while_the_next_awaits_an_external_one) {
  ArbiterDriver d;
  d.shared(ann, 1);
  d.kernel = Kernel::external;
  d.shared(bob, 1);
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "try bob.1", "await bob.1"}));
  d.release(ann, 1);
  d.os_says(bob, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "bob.1 granted"}));
}

TEST(Arbiter, An_await_that_ends_busy_is_begun_again) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1);
  d.os_calls();
  d.os_says(ann, 1, OsResult::busy);
  EXPECT_EQ(d.os_calls(), Texts{"await ann.1"});
  EXPECT_EQ(d.answers(), Texts{});
}

// ---- Abandoned attempts ----

// Whatever the kernel answers for a claim that has left, it is discarded, and the next one is
// tried.
TEST(Arbiter, An_abandoned_attempt_ends_in_a_discard_whatever_the_kernel_says) {
  for (const OsResult result : {OsResult::locked, OsResult::busy, OsResult::failed}) {
    ArbiterDriver d;
    d.kernel = Kernel::slow;
    d.exclusive(ann, 1);
    d.exclusive(bob, 1);
    d.cancel(ann, 1);
    d.os_calls();
    d.os_says(ann, 1, result, result == OsResult::failed ? EIO : 0);
    EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "try bob.1"}));
    EXPECT_EQ(d.answers(), Texts{"ann.1 refused: cancelled"});
  }
}

TEST(Arbiter, One_who_does_not_wait_waits_for_an_abandoned_attempt_C7) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1);
  d.cancel(ann, 1);
  d.answers();
  d.kernel = Kernel::free;
  d.exclusive(bob, 1, kAtOnce);
  EXPECT_EQ(d.answers(), Texts{});
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST(Arbiter, An_external_holder_is_told_until_the_kernel_says_that_it_has_gone_C13) {
  for (const OsResult result : {OsResult::busy, OsResult::locked}) {
    ArbiterDriver d;
    d.kernel = Kernel::external;
    d.exclusive(ann, 1);
    d.exclusive(bob, 1, 2s);
    d.exclusive(cal, 1, 1s);
    d.cancel(ann, 1);
    d.pass(1s);
    d.kernel = Kernel::slow;
    d.os_says(ann, 1, result);
    d.pass(1s);
    const bool gone = result == OsResult::locked;
    EXPECT_EQ(d.answers(),
              (Texts{"ann.1 refused: cancelled, external", "cal.1 refused: timed out, external",
                     gone ? "bob.1 refused: timed out" : "bob.1 refused: timed out, external"}));
  }
}

TEST(Arbiter, A_lock_with_an_abandoned_attempt_is_known_until_it_ends) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.cancel(ann, 1);
  EXPECT_EQ(d.arbiter.counts().locks, 1U);
  EXPECT_EQ(d.arbiter.waiter_count(kFile), 0U);
  d.os_says(ann, 1, OsResult::locked);
  EXPECT_EQ(d.arbiter.counts().locks, 0U);
}

TEST(Arbiter, Several_may_leave_while_the_first_attempt_is_abandoned) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.exclusive(cal, 1);
  d.cancel(ann, 1);
  d.cancel(bob, 1);
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "abandon ann.1", "discard bob.1"}));
  d.os_says(ann, 1, OsResult::busy);
  EXPECT_EQ(d.os_calls(), (Texts{"discard ann.1", "try cal.1"}));
}

// ---- Failures of the kernel ----

TEST(Arbiter, A_failure_refuses_just_the_one_that_was_tried_and_tries_the_next) {
  ArbiterDriver d;
  d.kernel = Kernel::slow;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.os_says(ann, 1, OsResult::failed, ENOLCK);
  EXPECT_EQ(d.answers(), Texts{"ann.1 refused: os failed, 37"});
  EXPECT_EQ(d.os_calls(), (Texts{"try ann.1", "discard ann.1", "try bob.1"}));
  d.os_says(bob, 1, OsResult::locked);
  EXPECT_EQ(d.answers(), Texts{"bob.1 granted"});
}

TEST(Arbiter, A_file_that_cannot_be_locked_refuses_everyone_in_turn) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.exclusive(cal, 1, kAtOnce);
  d.kernel = Kernel::broken;
  d.release(ann, 1);
  d.exclusive(dan, 1, kAtOnce);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 granted", "cal.1 refused: timed out",
                                "bob.1 refused: os failed, 5", "dan.1 refused: os failed, 5"}));
}

TEST(Arbiter, A_failure_while_awaiting_refuses_the_head_and_tries_the_next) {
  ArbiterDriver d;
  d.kernel = Kernel::external;
  d.exclusive(ann, 1);
  d.exclusive(bob, 1);
  d.kernel = Kernel::free;
  d.os_says(ann, 1, OsResult::failed, EIO);
  EXPECT_EQ(d.answers(), (Texts{"ann.1 refused: os failed, 5", "bob.1 granted"}));
}

}  // namespace
}  // namespace locketd::test
