#include "client/deadline.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace locket::client {
namespace {

using namespace std::chrono_literals;

TEST(Deadline, Timeouts_from_zero_to_thirty_years_are_taken_C3) {
  EXPECT_EQ(check_timeout(std::nullopt).value(), std::nullopt);
  for (const double seconds : {0.0, -0.0, 0.25, 30.0, 1e9}) {
    EXPECT_EQ(check_timeout(seconds).value(), proto::Seconds(seconds));
  }
}

TEST(Deadline, Timeouts_that_make_no_sense_are_refused_C3) {
  using Limits = std::numeric_limits<double>;
  for (const double seconds : {-1.0, -1e-300, 1e300, 1.1e9, Limits::quiet_NaN(), Limits::infinity(),
                               -Limits::infinity()}) {
    EXPECT_EQ(check_timeout(seconds).error().code, proto::Errc::invalid_params) << seconds;
  }
  EXPECT_EQ(check_timeout(-1).error().message,
            "the timeout must be a number of seconds from 0 to 1000000000, not -1");
}

TEST(Deadline, Fractions_of_a_nanosecond_are_rounded_up_C3) {
  const TimePoint start{};
  EXPECT_EQ(after(proto::Seconds(1e-12), start) - start, 1ns);
  EXPECT_EQ(after(proto::Seconds(1e9), start) - start, 1'000'000'000s);
}

TEST(Deadline, Nothing_is_left_of_what_is_past) {
  EXPECT_EQ(left_until(Clock::now() - 1s), proto::Seconds::zero());
  EXPECT_GT(left_until(Clock::now() + 1h), proto::Seconds(3000));
}

}  // namespace
}  // namespace locket::client
