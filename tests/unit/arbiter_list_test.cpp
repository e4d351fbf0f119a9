// What is visible from outside: tokens, rows, counts.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include "tests/unit/arbiter_driver.hpp"

namespace locketd::test {
namespace {

using namespace std::chrono_literals;

// ---- Tokens ----

// Grants once and returns the token.
Token next_token(ArbiterDriver& d) {
  d.exclusive(ann, 1);
  const Token token = d.token(ann, 1);
  d.release(ann, 1);
  return token;
}

TEST(Arbiter, Tokens_strictly_increase_also_while_the_wall_clock_stands) {
  ArbiterDriver d;
  const Token first = next_token(d);
  const Token second = next_token(d);
  EXPECT_GT(second, first);
}

TEST(Arbiter, Tokens_strictly_increase_when_the_wall_clock_goes_backwards) {
  ArbiterDriver d;
  const Token before = next_token(d);
  d.now.wall -= 24h;
  const Token after = next_token(d);
  EXPECT_GT(after, before);
  d.now.wall = std::chrono::sys_days(std::chrono::year(1960) / 1 / 1);
  EXPECT_GT(next_token(d), after);
}

TEST(Arbiter, Tokens_of_a_restarted_daemon_are_larger_than_those_before_it) {
  ArbiterDriver before;
  Token last = 0;
  for (int i = 0; i < 100; ++i) last = next_token(before);
  ArbiterDriver after;
  after.now.wall += 1ms;
  EXPECT_GT(next_token(after), last);
}

TEST(Arbiter, Tokens_stay_exact_in_every_JSON_reader_until_the_year_2255) {
  ArbiterDriver d;
  d.now.wall = std::chrono::sys_days(std::chrono::year(2255) / 1 / 1);
  EXPECT_LT(next_token(d), Token{1} << 53);
}

TEST(Arbiter, A_token_is_positive_even_where_the_clock_is_not_set) {
  ArbiterDriver d;
  d.now.wall = {};
  EXPECT_GT(next_token(d), 0U);
}

// ---- What list shows ----

using Row = std::pair<LockId, Ticket>;

// Sets `after` to where it ended.
std::vector<Row> page(const Arbiter& arbiter, Cursor& after, std::size_t size) {
  std::vector<Row> rows;
  arbiter.visit(Cursor(after), [&](const Entry& entry, bool) {
    if (rows.size() == size) return false;
    rows.emplace_back(entry.lock, entry.ticket);
    after = {.lock = entry.lock, .ticket = entry.ticket, .waiting = !entry.held};
    return true;
  });
  return rows;
}

std::vector<Row> all_rows(const ArbiterDriver& d) {
  Cursor begin;
  return page(d.arbiter, begin, 100);
}

// Four locks: held and waited for, held shared, only held, and waited for behind an external
// holder.
void fill(ArbiterDriver& d) {
  for (RequestId request = 1; request <= 3; ++request) d.exclusive(ann, request);
  for (RequestId request = 1; request <= 3; ++request) d.shared(bob, request, kForever, kOtherFile);
  d.exclusive(bob, 4, kForever, kOtherFile);
  d.exclusive(cal, 1, kForever, {.device = 1, .inode = 3});
  d.kernel = Kernel::external;
  d.shared(dan, 1, kForever, {.device = 1, .inode = 4});
  d.shared(dan, 2, kForever, {.device = 1, .inode = 4});
}

TEST(Arbiter, Pages_of_any_size_cover_each_row_exactly_once_and_in_order) {
  ArbiterDriver d;
  fill(d);
  const auto all = all_rows(d);
  ASSERT_EQ(all.size(), 10U);
  EXPECT_TRUE(std::ranges::is_sorted(all));
  for (std::size_t size = 1; size <= all.size(); ++size) {
    std::vector<Row> rows;
    Cursor after;
    for (std::size_t before = 1; before != rows.size() && rows.size() <= all.size();) {
      before = rows.size();
      std::ranges::copy(page(d.arbiter, after, size), std::back_inserter(rows));
    }
    EXPECT_EQ(rows, all) << "in pages of " << size;
  }
}

TEST(Arbiter, A_page_goes_on_behind_a_lock_that_was_forgotten_meanwhile) {
  ArbiterDriver d;
  fill(d);
  const auto all = all_rows(d);
  Cursor in_the_third;
  page(d.arbiter, in_the_third, 8);
  d.disconnect(cal);
  EXPECT_EQ(page(d.arbiter, in_the_third, 100), (std::vector<Row>{all[8], all[9]}));
}

// After a restart, waiters may have smaller tickets than holders.
TEST(Arbiter, A_page_goes_on_where_it_was_although_its_last_row_is_gone) {
  ArbiterDriver d;
  for (RequestId request = 1; request <= 3; ++request) {
    Claim holder{.session = ann, .request = request, .file = kFile, .mode = Mode::shared};
    d.reclaim(holder, {.ticket = 10 + request, .token = 10 + request});
    Claim waiter{.session = bob, .request = request, .file = kFile};
    d.reclaim(waiter, {.ticket = request, .token = {}});
  }
  const auto all = all_rows(d);
  ASSERT_EQ(all.size(), 6U);

  Cursor at_a_holder;
  page(d.arbiter, at_a_holder, 2);
  d.release(ann, 2);
  EXPECT_EQ(page(d.arbiter, at_a_holder, 100), std::vector(all.begin() + 2, all.end()));

  Cursor at_a_waiter;
  page(d.arbiter, at_a_waiter, 4);  // two holders, two waiters
  d.cancel(bob, 2);
  EXPECT_EQ(page(d.arbiter, at_a_waiter, 100), std::vector<Row>{all[5]});
}

TEST(Arbiter, Holders_are_visited_before_waiters_and_each_in_order) {
  ArbiterDriver d;
  fill(d);
  Texts seen;
  d.arbiter.visit(kOtherFile, {}, [&](const Entry& entry, bool) {
    seen.push_back(ArbiterDriver::name(entry.claim.session, entry.claim.request) +
                   (entry.held ? " holds" : " waits"));
    return true;
  });
  EXPECT_EQ(seen, (Texts{"bob.1 holds", "bob.2 holds", "bob.3 holds", "bob.4 waits"}));
}

TEST(Arbiter, A_visit_to_one_file_begins_behind_its_cursor_and_ends_when_told) {
  ArbiterDriver d;
  fill(d);
  std::vector<Ticket> seen;
  const Cursor after{.lock = 0, .ticket = d.ticket(bob, 1)};
  d.arbiter.visit(kOtherFile, after, [&](const Entry& entry, bool) {
    seen.push_back(entry.ticket);
    return seen.size() < 2;
  });
  EXPECT_EQ(seen, (std::vector{d.ticket(bob, 2), d.ticket(bob, 3)}));
}

TEST(Arbiter, A_visit_tells_which_waiters_wait_for_an_external_holder) {
  ArbiterDriver d;
  fill(d);
  Texts external;
  d.arbiter.visit({}, [&](const Entry& entry, bool is_external) {
    if (is_external)
      external.push_back(ArbiterDriver::name(entry.claim.session, entry.claim.request));
    return true;
  });
  EXPECT_EQ(external, (Texts{"dan.1", "dan.2"}));
}

TEST(Arbiter, A_row_tells_since_when_one_waits_or_holds) {
  ArbiterDriver d;
  d.exclusive(ann, 1);
  d.pass(1s);
  d.exclusive(bob, 1);
  d.pass(1s);
  const Monotonic arrival = d.now.steady - 1s;
  d.arbiter.visit(kFile, {.lock = 0, .ticket = d.ticket(ann, 1)}, [&](const Entry& bobs, bool) {
    EXPECT_EQ(bobs.since.steady, arrival);
    EXPECT_EQ(bobs.token, 0U);
    return true;
  });
  d.release(ann, 1);
  d.arbiter.visit(kFile, {}, [&](const Entry& bobs, bool) {
    EXPECT_EQ(bobs.since.steady, d.now.steady);
    EXPECT_EQ(bobs.token, d.token(bob, 1));
    return true;
  });
}

TEST(Arbiter, A_refusal_carries_the_claim_that_it_answers_C13) {
  Arbiter arbiter;
  const Claim claim{.session = ann,
                    .request = 7,
                    .file = kFile,
                    .mode = Mode::shared,
                    .timeout = 5s,
                    .path = "/some/file",
                    .reason = "to see"};
  const auto ticket = arbiter.acquire({}, claim);
  ASSERT_TRUE(ticket);
  arbiter.os_result({}, *ticket, OsResult::failed, EIO);
  arbiter.next_event();  // TryLock
  const auto event = arbiter.next_event();
  const auto* refused = event ? std::get_if<Refused>(&*event) : nullptr;
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->entry.ticket, *ticket);
  EXPECT_EQ(refused->entry.claim.path, "/some/file");
  EXPECT_EQ(refused->entry.claim.reason, "to see");
  EXPECT_EQ(refused->entry.claim.timeout, 5s);
}

TEST(Arbiter, Counts_follow_what_happens) {
  ArbiterDriver d;
  fill(d);
  const auto counts = d.arbiter.counts();
  EXPECT_EQ(counts.locks, 4U);
  EXPECT_EQ(counts.holders, 5U);
  EXPECT_EQ(counts.waiters, 5U);
  EXPECT_EQ(counts.grants, 5U);
  EXPECT_EQ(d.arbiter.holder_count(kOtherFile), 3U);
  EXPECT_EQ(d.arbiter.waiter_count(kOtherFile), 1U);
  EXPECT_EQ(d.arbiter.claim_count(bob), 4U);
  d.disconnect(bob);
  EXPECT_EQ(d.arbiter.counts().locks, 3U);
  EXPECT_EQ(d.arbiter.counts().grants, 5U);
  EXPECT_EQ(d.arbiter.holder_count(kOtherFile), 0U);
  EXPECT_EQ(d.arbiter.waiter_count(kOtherFile), 0U);
}

TEST(Arbiter, Blockers_are_the_holders_of_the_lock_that_one_waits_for) {
  ArbiterDriver d;
  fill(d);
  EXPECT_EQ(d.arbiter.blockers(d.ticket(ann, 3)), std::vector<SessionId>{ann});
  EXPECT_EQ(d.arbiter.blockers(d.ticket(bob, 4)), (std::vector<SessionId>{bob, bob, bob}));
  EXPECT_EQ(d.arbiter.blockers(d.ticket(dan, 1)), std::vector<SessionId>{});
  EXPECT_EQ(d.arbiter.blockers(12345), std::vector<SessionId>{});
}

TEST(Arbiter, Holding_sessions_are_those_that_hold_something_each_once) {
  ArbiterDriver d;
  fill(d);
  auto sessions = d.arbiter.holding_sessions();
  std::ranges::sort(sessions);
  EXPECT_EQ(sessions, (std::vector<SessionId>{ann, bob, cal}));
}

TEST(Arbiter, An_arbiter_may_end_while_locks_are_held_and_waited_for) {
  Arbiter arbiter;
  for (RequestId request = 1; request <= 3; ++request) {
    arbiter.acquire({}, {.session = ann,
                         .request = request,
                         .file = kFile,
                         .mode = Mode::exclusive,
                         .timeout = {},
                         .path = {},
                         .reason = {}});
  }
  arbiter.os_result({}, 1, OsResult::locked);
  EXPECT_EQ(arbiter.counts().holders, 1U);
}

}  // namespace
}  // namespace locketd::test
