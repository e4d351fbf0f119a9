#include "proto/adaptive_spin.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace locket::proto {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Advances only while others have the processor.
struct TestClock {
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<TestClock, duration>;
  static time_point now() { return time; }

  static inline time_point time;
  static inline duration others_take;
};

void give_way() {
  TestClock::time += TestClock::others_take;
}

class Spinning : public testing::Test {
 protected:
  Spinning() { TestClock::others_take = microseconds(1); }

  // How often it looked for something that does not come.
  int in_vain() {
    int looks = 0;
    EXPECT_FALSE(spin([&] {
      ++looks;
      return false;
    }));
    return looks;
  }

  // How many times in a row it does not look.
  int skipped() {
    int times = 0;
    while (in_vain() == 0) ++times;
    return times;
  }

  // How long until it looks again, in vain.
  TestClock::duration looks_again_after() {
    const auto began = TestClock::now();
    while (in_vain() == 0) TestClock::time += milliseconds(1);
    return TestClock::now() - began;
  }

  BasicAdaptiveSpin<TestClock, give_way> spin;
};

TEST_F(Spinning, Looks_until_there_is_something) {
  int looks = 0;
  EXPECT_TRUE(spin([&] { return ++looks == 5; }));
  EXPECT_EQ(looks, 5);
}

TEST_F(Spinning, Gives_up_and_does_so_sooner_the_more_often_it_was_in_vain) {
  EXPECT_GT(in_vain(), 1);
  for (const int expected : {1, 3, 7, 15, 31, 63, 63}) EXPECT_EQ(skipped(), expected);
}

TEST_F(Spinning, Gives_up_at_once_where_others_run) {
  TestClock::others_take = microseconds(20);
  EXPECT_EQ(in_vain(), 1);
  EXPECT_EQ(skipped(), 1);
}

TEST_F(Spinning, One_that_pays_off_makes_up_for_all_that_were_in_vain) {
  in_vain();
  in_vain();
  while (!spin([] { return true; })) {
  }
  EXPECT_GT(in_vain(), 0);
  EXPECT_EQ(skipped(), 1);
}

TEST_F(Spinning, Where_others_compute_it_costs_a_hundredth_at_most_and_then_less) {
  TestClock::others_take = milliseconds(4);
  EXPECT_EQ(in_vain(), 1);
  EXPECT_GE(looks_again_after(), milliseconds(400));
  EXPECT_GE(looks_again_after(), milliseconds(800));
  for (int times = 0; times < 10; ++times) looks_again_after();
  EXPECT_GE(looks_again_after(), seconds(10));
  EXPECT_LE(looks_again_after(), seconds(11));
}

TEST_F(Spinning, One_that_was_stopped_for_long_goes_on_soon) {
  TestClock::others_take = seconds(100);
  EXPECT_EQ(in_vain(), 1);
  TestClock::others_take = microseconds(1);
  EXPECT_LE(looks_again_after(), milliseconds(1100));
}

TEST_F(Spinning, Where_others_computed_and_do_no_more_one_that_pays_off_makes_up_for_it) {
  TestClock::others_take = milliseconds(4);
  for (int times = 0; times < 10; ++times) looks_again_after();
  TestClock::others_take = microseconds(1);
  while (!spin([] { return true; })) TestClock::time += milliseconds(1);
  TestClock::others_take = milliseconds(4);
  EXPECT_EQ(in_vain(), 1);
  EXPECT_LE(looks_again_after(), milliseconds(500));
}

}  // namespace
}  // namespace locket::proto
