#include "daemon/line_budget.hpp"

#include <gtest/gtest.h>

namespace locketd::test {
namespace {

constexpr UserId kAnn = 1000;
constexpr UserId kBob = 1001;
constexpr auto kWindow = LineBudget::kWindow;

class LineBudgetTest : public ::testing::Test {
 protected:
  // How many of these lines are written.
  std::size_t written(UserId user, std::size_t lines) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < lines; ++i) count += budget.spend(now, user) ? 1 : 0;
    return count;
  }

  void expect_left_out(UserId user, std::size_t lines) {
    const auto left_out = budget.left_out(now);
    ASSERT_EQ(left_out.size(), 1);
    EXPECT_EQ(left_out[0].user, user);
    EXPECT_EQ(left_out[0].lines, lines);
  }

  LineBudget budget;
  Monotonic now{std::chrono::hours(1)};
};

TEST_F(LineBudgetTest, A_user_has_so_many_lines_a_window_and_others_have_theirs_C15) {
  EXPECT_EQ(written(kAnn, 1'000'000), LineBudget::kLines);
  EXPECT_EQ(written(kBob, LineBudget::kLines), LineBudget::kLines);
}

TEST_F(LineBudgetTest, At_the_windows_end_it_is_told_once_how_many_were_left_out) {
  written(kAnn, LineBudget::kLines + 7);
  EXPECT_EQ(budget.next_deadline(), now + kWindow);
  now += kWindow - std::chrono::nanoseconds(1);
  EXPECT_TRUE(budget.left_out(now).empty());
  now += std::chrono::nanoseconds(1);
  expect_left_out(kAnn, 7);
  EXPECT_TRUE(budget.left_out(now).empty());
  EXPECT_EQ(budget.next_deadline(), std::nullopt);
  EXPECT_EQ(written(kAnn, LineBudget::kLines + 1), LineBudget::kLines);
}

TEST_F(LineBudgetTest, Nothing_wakes_the_daemon_where_nothing_was_left_out) {
  written(kAnn, LineBudget::kLines);
  EXPECT_EQ(budget.next_deadline(), std::nullopt);
  now += kWindow;
  EXPECT_TRUE(budget.left_out(now).empty());
}

TEST_F(LineBudgetTest, What_was_left_out_is_told_also_where_the_next_line_comes_first) {
  written(kAnn, LineBudget::kLines + 7);
  now += 2 * kWindow;
  EXPECT_TRUE(budget.spend(now, kAnn));
  EXPECT_LE(budget.next_deadline(), now);
  expect_left_out(kAnn, 7);
}

TEST_F(LineBudgetTest, Each_users_window_is_its_own) {
  written(kBob, 1);
  now += kWindow / 2;
  written(kAnn, LineBudget::kLines + 7);
  now += kWindow / 2;  // Bob's has ended
  EXPECT_TRUE(budget.left_out(now).empty());
  EXPECT_EQ(budget.next_deadline(), now + kWindow / 2);
  EXPECT_EQ(written(kAnn, 3), 0);
  now += kWindow / 2;
  expect_left_out(kAnn, 10);
}

TEST_F(LineBudgetTest, The_daemons_end_tells_all) {
  written(kAnn, LineBudget::kLines + 7);
  now = Monotonic::max();
  expect_left_out(kAnn, 7);
}

}  // namespace
}  // namespace locketd::test
