// Lock files that stay open between two holds, and that they do not stay open for long.

#include "client/parking.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <vector>

#include "client/fork_guard.hpp"
#include "client/lock.hpp"
#include "proto/limits.hpp"
#include "proto/lock_file.hpp"
#include "tests/client/fake_daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::client {
namespace {

using namespace std::chrono_literals;
using proto::Errc;
using proto::Mode;
using test::eventually;
using test::FakeDaemon;

// ---- Places ----

class Places : public testing::Test {
 protected:
  // Moves on by `pause`, and makes an attempt.
  bool parks_after(Parking::Place& place, Clock::duration pause) {
    now += pause;
    return parking.begin(place, now).park;
  }
  bool put(Parking::Place& place, proto::Token token = 7) {
    ParkedFile file{{}, {}, token, 1};
    const auto done = parking.put(place, file, parking.forks());
    is_first = done == Parking::Put::parked_first;
    return done != Parking::Put::refused;
  }
  // The tokens of the files that were closed for being idle.
  std::vector<proto::Token> idle() {
    std::vector<proto::Token> tokens;
    is_used = parking.close_idle([&](const ParkedFile& file) { tokens.push_back(file.token); });
    return tokens;
  }

  TimePoint now = Clock::now();
  Parking parking;
  bool is_first = false;
  bool is_used = false;
};

using Tokens = std::vector<proto::Token>;

TEST_F(Places, Are_for_who_comes_back_soon) {
  Parking::Place place;
  EXPECT_FALSE(parks_after(place, 0ms));
  EXPECT_FALSE(parks_after(place, 10ms));
  EXPECT_TRUE(parks_after(place, 9ms));
  EXPECT_TRUE(parks_after(place, 0ms));
  EXPECT_FALSE(parks_after(place, 1h));
}

TEST_F(Places, Give_their_file_to_one_attempt) {
  Parking::Place place;
  ASSERT_TRUE(put(place));
  EXPECT_FALSE(put(place, 8));
  EXPECT_EQ(parking.begin(place, now).file->token, 7U);
  EXPECT_FALSE(parking.begin(place, now).file);
}

TEST_F(Places, Are_empty_after_one_to_two_looks) {
  Parking::Place place;
  ASSERT_TRUE(put(place));
  EXPECT_TRUE(is_first);
  EXPECT_EQ(idle(), Tokens());
  EXPECT_TRUE(is_used);
  EXPECT_EQ(idle(), Tokens{7});
  EXPECT_FALSE(is_used);
  EXPECT_FALSE(parking.begin(place, now).file);
}

TEST_F(Places, Of_whom_comes_back_keep_their_file) {
  Parking::Place place;
  for (int i = 0; i < 3; ++i) {
    parks_after(place, 1ms);
    ASSERT_TRUE(put(place));
    EXPECT_EQ(is_first, i == 0);
    EXPECT_EQ(idle(), Tokens());
  }
}

TEST_F(Places, Are_looked_at_again_when_they_are_used_again) {
  Parking::Place place;
  ASSERT_TRUE(put(place));
  parks_after(place, 1ms);
  EXPECT_EQ(idle(), Tokens());
  EXPECT_FALSE(is_used) << "its lock is held";
  ASSERT_TRUE(put(place));
  EXPECT_TRUE(is_first);
}

TEST_F(Places, Keep_what_could_not_be_shown_for_the_next_look) {
  Parking::Place place;
  ASSERT_TRUE(put(place));
  idle();
  EXPECT_THROW(parking.close_idle([](const ParkedFile&) { throw std::bad_alloc(); }),
               std::bad_alloc);
  EXPECT_EQ(idle(), Tokens{7});
}

TEST_F(Places, Take_nothing_of_which_a_forked_child_may_have_a_copy_C10) {
  Parking::Place place;
  const auto forks = parking.begin(place, now).forks;
  parking.lock();  // as for a fork
  parking.unlock();
  ParkedFile file{{}, {}, 7, 1};
  EXPECT_EQ(parking.put(place, file, forks), Parking::Put::refused);
  EXPECT_TRUE(put(place)) << "but what has come since then";
}

TEST_F(Places, Are_as_many_as_the_daemon_has_room_for) {
  std::deque<Parking::Place> places(proto::kMaxParkedFiles + 1);
  EXPECT_EQ(std::ranges::count_if(places, [&](auto& place) { return put(place); }),
            proto::kMaxParkedFiles);
  EXPECT_FALSE(put(places.back()));
  parking.empty(places.front());
  EXPECT_TRUE(put(places.back()));
}

TEST_F(Places, That_are_barred_park_nothing_for_a_while) {
  Parking::Place place;
  parks_after(place, 0ms);
  parking.bar(place, now);
  EXPECT_FALSE(parks_after(place, 1ms));
  parks_after(place, 10s);
  EXPECT_TRUE(parks_after(place, 1ms));
}

// ---- Locks ----

class ParkingTest : public testing::Test {
 protected:
  ParkingTest() { daemon.park(proto::kMaxParkedFiles); }
  void SetUp() override {
    if (!proto::is_local(proto::open_lock_file(path)->get())) GTEST_SKIP() << "no local folder";
  }

  // The request for one more acquire, which the daemon grants.
  proto::Acquire acquire(Lock& its) {
    auto granted = std::async(std::launch::async,
                              [&] { return its.acquire(Mode::exclusive, std::nullopt).value(); });
    if (!std::exchange(welcomed, true)) daemon.welcome();
    const auto request = next_claim();
    daemon.reply(request.id, proto::Grant{++token});
    EXPECT_EQ(granted.get(), token);
    return std::get<proto::Acquire>(request.call);
  }

  // It comes with a descriptor or names a parked file, never both.
  proto::Request next_claim() {
    for (;;) {
      auto request = daemon.next();
      if (const auto* unpark = std::get_if<proto::Unpark>(&request.call)) {
        unparked.push_back(unpark->token);
        continue;
      }
      const auto* claim = std::get_if<proto::Acquire>(&request.call);
      if (claim == nullptr) throw std::runtime_error("no acquire");
      EXPECT_NE(claim->parked.has_value(), daemon.has_descriptor());
      if (daemon.has_descriptor()) daemon.take_descriptor();
      return request;
    }
  }

  proto::Release release(Lock& its) {
    EXPECT_TRUE(its.release());
    return daemon.next_call<proto::Release>();
  }

  // Repeats until its file is parked: sometimes this process is too slow for that.
  void park(Lock& its) {
    ASSERT_TRUE(eventually([&] {
      acquire(its);
      return release(its).park;
    }));
  }

  [[nodiscard]] std::ptrdiff_t times_open() const {
    return std::ranges::count(test::open_descriptors(::getpid()), path);
  }

  test::TemporaryFolder folder;
  std::string path = folder / "lock";
  FakeDaemon daemon;
  Process process{daemon.sockets()};
  std::unique_ptr<Lock> lock = Lock::make(path, process).value();
  bool welcomed = false;
  proto::Token token = 0;
  std::vector<proto::Token> unparked;
};

TEST_F(ParkingTest, Who_comes_back_at_once_passes_no_descriptor) {
  ASSERT_TRUE(eventually([&] {
    park(*lock);
    const proto::Token parked = token;
    const auto asked = acquire(*lock);
    release(*lock);
    return asked.parked == parked;
  }));
}

TEST_F(ParkingTest, The_first_release_closes_the_file) {
  acquire(*lock);
  EXPECT_FALSE(release(*lock).park);
  EXPECT_EQ(times_open(), 0);
}

TEST_F(ParkingTest, A_file_that_is_not_asked_for_again_is_closed_and_the_daemon_told) {
  park(*lock);
  EXPECT_EQ(daemon.next_call<proto::Unpark>().token, token);
  EXPECT_TRUE(eventually([&] { return times_open() == 0; }));
}

TEST_F(ParkingTest, So_is_one_whose_lock_was_held_for_long) {
  ASSERT_TRUE(eventually([&] {
    acquire(*lock);
    release(*lock);
    acquire(*lock);
    test::let_pass(3 * Parking::kIdle);
    return release(*lock).park;
  }));
  EXPECT_EQ(daemon.next_call<proto::Unpark>().token, token);
  EXPECT_TRUE(eventually([&] { return times_open() == 0; }));
}

TEST_F(ParkingTest, A_handle_that_ends_leaves_no_file_open) {
  park(*lock);
  lock.reset();
  EXPECT_EQ(times_open(), 0);
  EXPECT_EQ(daemon.next_call<proto::Unpark>().token, token);
}

TEST_F(ParkingTest, A_path_that_means_another_file_is_opened_again_C11) {
  park(*lock);
  std::filesystem::remove(path);
  EXPECT_FALSE(acquire(*lock).parked);
  EXPECT_EQ(unparked, Tokens{token - 1});
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ParkingTest, A_file_whose_rights_have_changed_is_opened_again) {
  park(*lock);
  std::filesystem::permissions(path, std::filesystem::perms(0640));
  EXPECT_FALSE(acquire(*lock).parked);
  EXPECT_EQ(unparked, Tokens{token - 1});
}

TEST_F(ParkingTest, A_new_daemon_gets_a_descriptor_C9) {
  park(*lock);
  daemon.die();
  daemon.come_back();
  welcomed = false;
  EXPECT_FALSE(acquire(*lock).parked);
}

TEST_F(ParkingTest, So_does_one_that_another_lock_was_asked_of_before_C9) {
  const auto other = Lock::make(folder / "other", process).value();
  park(*lock);
  daemon.die();
  daemon.come_back();
  welcomed = false;
  acquire(*other);
  EXPECT_FALSE(acquire(*lock).parked);
}

TEST_F(ParkingTest, What_the_daemon_has_not_kept_is_passed_and_not_parked_again) {
  park(*lock);
  proto::Request asked;
  ASSERT_TRUE(eventually([&] {
    auto granted =
        std::async(std::launch::async, [&] { return lock->acquire(Mode::exclusive, 1s).value(); });
    asked = next_claim();
    const bool parked = std::get<proto::Acquire>(asked.call).parked.has_value();
    if (parked) {
      daemon.reply(asked.id, test::failure(Errc::not_parked));
      asked = next_claim();
      EXPECT_FALSE(std::get<proto::Acquire>(asked.call).parked);
    }
    daemon.reply(asked.id, proto::Grant{++token});
    EXPECT_EQ(granted.get(), token);
    const bool parks = release(*lock).park;
    EXPECT_FALSE(parked && parks);
    return parked;
  }));
  for (int i = 0; i < 20; ++i) {
    acquire(*lock);
    EXPECT_FALSE(release(*lock).park);
  }
}

TEST_F(ParkingTest, An_older_daemon_is_not_asked_to) {
  daemon.park(0);
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(acquire(*lock).parked);
    EXPECT_FALSE(release(*lock).park);
  }
}

TEST_F(ParkingTest, Nor_is_one_that_took_the_place_of_a_newer_one_C9) {
  park(*lock);
  acquire(*lock);
  daemon.die();
  daemon.park(0);
  daemon.come_back();
  daemon.welcome();
  const auto reclaim = daemon.next();
  ASSERT_EQ(std::get<proto::Reclaim>(reclaim.call).token, token);
  daemon.reply(reclaim.id, proto::Grant{token});
  ASSERT_TRUE(eventually([&] { return !process.connection.is_in_doubt(); }));
  EXPECT_FALSE(release(*lock).park);
}

TEST_F(ParkingTest, Nothing_is_parked_that_is_on_no_local_file_system) {
  const auto far = Lock::make("/proc/version", process).value();
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(acquire(*far).parked);
    EXPECT_FALSE(release(*far).park);
  }
}

TEST_F(ParkingTest, What_another_program_was_to_inherit_is_closed) {
  park(*lock);
  acquire(*lock);
  auto kept = std::async(std::launch::async, [&] { return lock->keep_across_exec("other"); });
  const auto detach = daemon.next();
  ASSERT_TRUE(std::holds_alternative<proto::Detach>(detach.call));
  daemon.reply(detach.id, proto::Done{});
  ASSERT_TRUE(kept.get());
  EXPECT_FALSE(release(*lock).park);
  EXPECT_EQ(times_open(), 0);
  acquire(*lock);
  EXPECT_FALSE(release(*lock).park) << "nor is any other after that";
}

TEST_F(ParkingTest, What_another_handle_releases_is_closed) {
  const auto other = Lock::make(path, process).value();
  park(*lock);
  acquire(*lock);
  EXPECT_FALSE(release(*other).park);
  EXPECT_EQ(times_open(), 0);
}

TEST_F(ParkingTest, A_wait_that_ends_in_vain_is_given_up_with_its_file) {
  park(*lock);
  const proto::Token parked = token;
  {
    const auto attempt = lock->begin(Mode::exclusive, std::nullopt);
    ASSERT_TRUE(attempt);
    next_claim();
  }
  EXPECT_EQ(times_open(), 0);
  if (unparked.empty()) {
    daemon.next_call<proto::Cancel>();
    EXPECT_EQ(daemon.next_call<proto::Unpark>().token, parked);
  }
}

TEST_F(ParkingTest, A_forked_child_closes_its_copy_C10) {
  park(*lock);
  before_fork(process);
  const pid_t child = ::fork();
  if (child == 0) {
    after_fork_in_child(process);
    ::_exit(times_open() == 0 ? 0 : 1);
  }
  after_fork_in_parent(process);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace locket::client
