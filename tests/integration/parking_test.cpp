// Files that stay open in the daemon between two locks of one session, through the protocol and
// through the library.

#include <locket/locket.hpp>
#include <vector>

#include "proto/lock_file.hpp"
#include "tests/integration/slow_files.hpp"

namespace locket::test {
namespace {

constexpr std::size_t kMaxParkedFiles = 64;  // proto/limits.hpp

class Parking : public LockTest {
 protected:
  void SetUp() override {
    if (!proto::is_local(open_file(path).get())) GTEST_SKIP() << "no local folder";
  }

  // How often the daemon has the lock file open.
  [[nodiscard]] std::ptrdiff_t times_open() const {
    return std::ranges::count(open_descriptors(daemon.pid()), path);
  }

  void park(RawClient& client, Token token) const {
    client.call("release", {{"token", token}, {"park", true}});
  }
  Token parked(RawClient& client) const {
    const Token token = client.lock(path);
    park(client, token);
    return token;
  }

  Id acquire_parked(RawClient& client, Token token, Json params = Json::object()) const {
    params.update({{"path", path}, {"parked", token}});
    return client.start("acquire", params);
  }
};

TEST_F(Parking, A_parked_file_is_free_and_locked_again_without_a_descriptor_C6_C7) {
  Token token = parked(ann);
  EXPECT_TRUE(kernel_admits(path));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(times_open(), 1);
    token = ann.granted(acquire_parked(ann, token));
    EXPECT_FALSE(kernel_admits(path));
    EXPECT_FALSE(bob.try_lock(path));
    park(ann, token);
    EXPECT_TRUE(bob.try_lock(path));
    bob.release(bob.list()[0]["token"]);
  }
  ann.call("unpark", {{"token", token}});
  EXPECT_EQ(times_open(), 0);
}

TEST_F(Parking, Who_asks_for_a_parked_file_waits_behind_those_who_came_before_C4) {
  const Token token = parked(ann);
  const Token held = bob.lock(path);
  const Id second = cal.acquire(path);
  ASSERT_TRUE(cal.waits(second));
  const Id third = acquire_parked(ann, token);
  ASSERT_TRUE(ann.waits(third));
  bob.release(held);
  const Token its = cal.granted(second);
  EXPECT_TRUE(ann.waits(third));
  cal.release(its);
  ann.granted(third);
}

TEST_F(Parking, A_file_is_parked_for_one_claim_of_the_same_session) {
  const Token token = parked(ann);
  EXPECT_EQ(name_of(bob.error(acquire_parked(bob, token))), "not_parked");
  EXPECT_EQ(name_of(ann.error(acquire_parked(ann, token + 1))), "not_parked");
  ann.release(ann.granted(acquire_parked(ann, token)));
  EXPECT_EQ(name_of(ann.error(acquire_parked(ann, token))), "not_parked");
  EXPECT_EQ(name_of(ann.error(ann.start("unpark", {{"token", token}}))), "not_parked");
  EXPECT_EQ(times_open(), 0);
}

TEST_F(Parking, A_claim_that_is_refused_has_used_it_up) {
  Token token = parked(ann);
  const Token held = bob.lock(path);
  EXPECT_EQ(name_of(ann.error(acquire_parked(ann, token, {{"timeout", 0}}))), "timed_out");
  EXPECT_EQ(times_open(), 1) << "but for Bob's";
  bob.release(held);
  token = parked(ann);
  ann.notify("acquire", {{"path", path}, {"parked", token}});  // without an id
  EXPECT_EQ(name_of(ann.error(acquire_parked(ann, token))), "not_parked");
  EXPECT_EQ(times_open(), 0);
}

TEST_F(Parking, A_request_on_a_parked_file_takes_no_descriptor_from_the_next_one) {
  const proto::Descriptor file = open_file(path);
  const Json bad{{"jsonrpc", "2.0"},
                 {"id", 100},
                 {"method", "acquire"},
                 {"params", {{"path", path}, {"parked", 42}}}};
  const Json good{
      {"jsonrpc", "2.0"}, {"id", 101}, {"method", "acquire"}, {"params", {{"path", path}}}};
  ann.send_bytes(bad.dump() + '\n' + good.dump() + '\n', {file.get()});
  EXPECT_EQ(name_of(ann.error(100)), "not_parked");
  ann.release(ann.granted(101));
}

TEST_F(Parking, What_is_parked_goes_with_its_session_C8) {
  parked(ann);
  ann.close();
  EXPECT_TRUE(eventually([&] { return times_open() == 0; }));
  EXPECT_EQ(bob.call("status")["user"]["descriptors"]["has"], 2 * 2);
}

TEST_F(Parking, Of_a_session_that_outlives_its_connection_nothing_stays_parked) {
  RawClient dan(daemon.socket());
  parked(dan);
  const Token token = dan.lock(path);
  dan.call("detach");
  park(dan, token);
  EXPECT_EQ(times_open(), 1) << "nor is anything parked from then on";
  dan.close();
  EXPECT_TRUE(eventually([&] { return times_open() == 0; }));
}

TEST_F(Parking, There_is_room_for_so_many_files_of_a_session_C15) {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i <= kMaxParkedFiles; ++i) tokens.push_back(parked(ann));
  EXPECT_EQ(times_open(), kMaxParkedFiles);
  EXPECT_EQ(name_of(ann.error(acquire_parked(ann, tokens.back()))), "not_parked");
  EXPECT_EQ(ann.call("status")["user"]["descriptors"]["has"], 3 * 2 + kMaxParkedFiles);
  parked(bob);
  EXPECT_EQ(times_open(), kMaxParkedFiles + 1);
}

TEST_F(Parking, A_file_that_has_been_unlinked_is_closed_all_the_same) {
  const std::string before = path;
  for (const bool park_it : {false, true}) {
    path = before;
    const Token token = ann.lock(path);
    std::filesystem::remove(path);
    path += " (deleted)";
    EXPECT_EQ(times_open(), 1);
    ann.call("release", {{"token", token}, {"park", park_it}});
    if (park_it) ann.call("unpark", {{"token", token}});
    EXPECT_TRUE(eventually([&] { return times_open() == 0; }));
  }
}

TEST_F(Parking, A_lock_that_was_never_held_parks_nothing) {
  const Id id = ann.start("release", {{"token", 42}, {"park", true}});
  EXPECT_EQ(name_of(ann.error(id)), "not_held");
  EXPECT_EQ(name_of(ann.error(acquire_parked(ann, 42))), "not_parked");
}

TEST_F(Parking, The_next_waiter_gets_what_is_parked_at_once_C4) {
  const Token token = ann.lock(path);
  const Id waiting = bob.acquire(path);
  ASSERT_TRUE(bob.waits(waiting));
  park(ann, token);
  bob.granted(waiting);
  EXPECT_TRUE(ann.waits(acquire_parked(ann, token)));
}

// ---- Through the library ----

class ParkingByLibrary : public Parking {
 protected:
  ParkingByLibrary() { ::setenv("LOCKET_SOCKET", daemon.socket().c_str(), 1); }

  void take_again_and_again() {
    for (int i = 0; i < 10; ++i) {
      lock.acquire();
      lock.release();
    }
  }

  file_lock lock{path};
};

TEST_F(ParkingByLibrary, Is_of_locks_that_are_taken_again_and_again_and_not_for_long) {
  EXPECT_TRUE(eventually([&] {
    take_again_and_again();
    return cal.list().empty() && times_open() == 1;
  }));
  EXPECT_TRUE(eventually([&] { return times_open() == 0; }));
  lock.acquire();
  EXPECT_FALSE(kernel_admits(path));
  lock.release();
  EXPECT_TRUE(eventually([&] { return times_open() == 0; }));
}

TEST_F(ParkingByLibrary, Leaves_the_lock_free_although_the_daemon_is_stopped_C7) {
  EXPECT_TRUE(eventually([&] {
    take_again_and_again();
    lock.acquire();
    daemon.freeze();
    lock.release();
    EXPECT_TRUE(kernel_admits(path));
    daemon.thaw();
    return cal.list().empty() && times_open() == 1;
  }));
}

// ---- Not on every file ----

using ParkingSlowly = SlowFiles;

TEST_F(ParkingSlowly, Files_that_are_not_local_are_not_parked_C15) {
  SlowFileSystem slow(SlowFileSystem::Locks::kernel);
  SKIP_UNLESS_MOUNTED(slow);
  const Token token = ann.lock(slow / "some.lock");
  ann.call("release", {{"token", token}, {"park", true}});
  const Id id = ann.start("acquire", {{"path", slow / "some.lock"}, {"parked", token}});
  EXPECT_EQ(name_of(ann.error(id)), "not_parked");
}

}  // namespace
}  // namespace locket::test
