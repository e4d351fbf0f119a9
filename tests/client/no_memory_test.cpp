// Memory that runs out, at any allocation: the library's own thread does not end the program
// because of it, and no claim is lost (C9).

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>
#include <thread>
#include <tuple>

#include "client/queries.hpp"
#include "tests/client/reclaim_fixture.hpp"

namespace {

// Allocations beyond `limit` bytes fail, until `refusals` of them have. The test's own thread is
// exempt.
std::atomic<std::size_t> limit = 0;
std::atomic<int> refusals = 0;
// So many of the allocations that would fail succeed first.
std::atomic<int> spared = 0;
std::atomic<std::size_t> in_use = 0;
thread_local bool is_test_itself = false;

bool must_fail(std::size_t size) {
  if (refusals <= 0 || is_test_itself || in_use + size <= limit) return false;
  return spared-- <= 0 && refusals-- > 0;
}

// Placed before each allocation, and aligned as that must be.
struct alignas(std::max_align_t) Header {
  std::size_t counted;
};

}  // namespace

// Not inlined: GCC would see that what is freed is not what new returned.
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* const memory = must_fail(size) ? nullptr : std::malloc(sizeof(Header) + size);
  if (memory == nullptr) throw std::bad_alloc();
  const auto* header = new (memory) Header{is_test_itself ? 0 : size};
  in_use += header->counted;
  return static_cast<char*>(memory) + sizeof(Header);
}

[[gnu::noinline]] void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  auto* const header = reinterpret_cast<Header*>(static_cast<char*>(memory) - sizeof(Header));
  in_use -= header->counted;
  std::free(header);
}

[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
  operator delete(memory);
}

namespace locket::client {
namespace {

using test::eventually;

class NoMemory : public ReclaimTest {
 protected:
  static constexpr int kRefusals = 3;

  NoMemory() { is_test_itself = true; }
  ~NoMemory() override {
    refusals = 0;
    is_test_itself = false;
  }

  static void run_out_after(std::size_t bytes) {
    limit = in_use + bytes;
    spared = 0;
    refusals = kRefusals;
  }
  // Whatever the allocation's size.
  static void refuse_one_after(int allocations) {
    limit = 0;
    spared = allocations;
    refusals = 1;
  }
  static void have_enough() { refusals = 0; }

  // Waits until the client has read all that it was sent.
  void be_read() {
    auto asked = process.connection.start(proto::Status{}, kNever);
    daemon.reply(daemon.next().id, proto::StatusReport{});
    EXPECT_TRUE(asked->wait(kNever));
  }

  // The first request on a connection after the welcome; the client may need several attempts.
  proto::Request first_told() {
    for (int attempt = 0;; ++attempt) {
      try {
        daemon.welcome();
        return daemon.next();
      } catch (const std::exception&) {
        if (attempt == kRefusals) throw;
      }
    }
  }
};

TEST_F(NoMemory, Whatever_there_is_none_for_every_claim_is_told_to_the_next_daemon_C9) {
  const auto held = make(path);
  acquire(*held, 7);
  const auto other = make(folder / "other");
  auto waiting = acquiring(*other);
  proto::Request wait = daemon.next();
  daemon.reply(wait.id, proto::Waiting{42});
  // Up to more than a daemon's restart needs.
  for (std::size_t step = 0; step <= 120; ++step) {
    const std::size_t bytes = 3 * step * step;
    SCOPED_TRACE(bytes);
    be_read();
    run_out_after(bytes);
    daemon.hang_up();
    const auto hold = first_told();
    EXPECT_EQ(std::get<proto::Reclaim>(hold.call).token, 7U);
    daemon.reply(hold.id, proto::Grant{7});
    wait = daemon.next();
    EXPECT_EQ(std::get<proto::Reclaim>(wait.call).ticket, 42U);
    daemon.reply(wait.id, proto::Waiting{42});
    EXPECT_EQ(held->token(), 7U);
  }
  EXPECT_EQ(refusals, kRefusals) << "the last of them had all that it wanted";
  be_read();
  run_out_after(0);
  daemon.reply(wait.id, proto::Grant{8});
  EXPECT_EQ(waiting.get(), 8U);
  EXPECT_EQ(other->token(), 8U);
}

TEST_F(NoMemory, Whichever_allocation_fails_no_claim_is_told_twice_C9) {
  const auto held = make(path);
  acquire(*held, 7);
  const auto other = make(folder / "other");
  auto waiting = acquiring(*other);
  proto::Request wait = daemon.next();
  daemon.reply(wait.id, proto::Waiting{42});
  int allocations = 0;
  do {
    SCOPED_TRACE(allocations);
    be_read();
    refuse_one_after(allocations++ / 2);  // twice each: sometimes one more precedes it
    daemon.hang_up();
    const auto hold = first_told();
    ASSERT_EQ(std::get<proto::Reclaim>(hold.call).token, 7U);
    daemon.reply(hold.id, proto::Grant{7});
    wait = daemon.next();
    ASSERT_EQ(std::get<proto::Reclaim>(wait.call).ticket, 42U);
    daemon.reply(wait.id, proto::Waiting{42});
  } while (refusals == 0);
  have_enough();
  daemon.reply(wait.id, proto::Grant{8});
  EXPECT_EQ(waiting.get(), 8U);
}

// Without a hold whose reclaim awaits an answer, only the waiting thread reads from the daemon.
TEST_F(NoMemory, Whichever_allocation_fails_who_waits_hears_of_his_grant_C9) {
  const auto lock = make(path);
  proto::Token token = 0;
  int allocations = 0;
  bool enough = false;
  do {
    SCOPED_TRACE(allocations);
    auto waiting = acquiring(*lock);
    if (token == 0) daemon.welcome();
    daemon.reply(daemon.next().id, proto::Waiting{42});
    daemon.die();
    EXPECT_TRUE(eventually([&] { return process.connection.absence().has_value(); }));
    // The waiting thread no longer leads: there is no connection to read.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    refuse_one_after(allocations++);
    daemon.come_back();
    const auto wait = first_told();
    enough = refusals > 0;
    have_enough();
    daemon.reply(wait.id, proto::Grant{++token});
    if (waiting.wait_for(std::chrono::seconds(5)) != std::future_status::ready) {
      ADD_FAILURE() << "nobody reads";
      be_read();
    }
    EXPECT_EQ(waiting.get(), token);
    EXPECT_TRUE(lock->release());
    daemon.next_call<proto::Release>();
  } while (!enough && !HasFailure());
}

TEST_F(NoMemory, A_grant_that_there_is_no_memory_to_take_is_given_back_C8) {
  const auto lock = make(path);
  proto::Token token = 0;
  int allocations = 0;
  bool enough = false;
  do {
    SCOPED_TRACE(allocations);
    auto waiting = acquiring(*lock);
    if (token == 0) daemon.welcome();
    const auto request = daemon.next();
    refuse_one_after(allocations++);
    daemon.reply(request.id, proto::Grant{++token});
    try {
      EXPECT_EQ(waiting.get(), token);
      enough = refusals > 0;
      have_enough();
      EXPECT_TRUE(lock->release());
    } catch (const std::bad_alloc&) {
      EXPECT_EQ(lock->token(), 0U);
    }
    EXPECT_EQ(daemon.next_call<proto::Release>().token, token);
  } while (!enough);
}

TEST_F(NoMemory, A_release_takes_none_C7) {
  const auto lock = make(path);
  acquire(*lock, 7);
  be_read();
  run_out_after(0);
  std::async(std::launch::async, [&] { EXPECT_TRUE(lock->release()); }).get();
  EXPECT_EQ(daemon.next_call<proto::Release>().token, 7U);
  EXPECT_EQ(refusals, kRefusals);
}

TEST_F(NoMemory, A_release_that_there_is_none_to_keep_for_a_full_socket_is_told_later_C7) {
  constexpr proto::RequestId kMoreThanItTakes = 20'000;
  const auto lock = make(path);
  acquire(*lock, 7);
  be_read();
  for (proto::RequestId id = 1; id <= kMoreThanItTakes; ++id) {
    process.connection.notify(proto::Cancel{id});
  }
  refuse_one_after(0);
  std::async(std::launch::async, [&] { EXPECT_TRUE(lock->release()); }).get();
  EXPECT_EQ(refusals, 0);
  auto told = daemon.next();
  while (std::holds_alternative<proto::Cancel>(told.call)) told = daemon.next();
  EXPECT_EQ(std::get<proto::Release>(told.call).token, 7U);
}

// A page of `list` that needs more memory than there is fails with its query.
TEST_F(NoMemory, A_long_answer_keeps_nobody_from_his_grant) {
  const auto lock = make(path);
  auto waiting = acquiring(*lock);
  daemon.welcome();
  const auto wait = daemon.next();
  auto listing = std::async(std::launch::async, [&] { return list(process.connection, {}); });
  const auto query = daemon.next();
  limit = in_use + (std::size_t{512} << 10);
  spared = 0;
  refusals = std::numeric_limits<int>::max();
  daemon.reply(query.id, proto::Page{std::vector(200, proto::Row{}), {}});
  daemon.reply(wait.id, proto::Grant{7});
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_EQ(listing.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  have_enough();
  EXPECT_EQ(listing.get().error().os_error, ENOMEM);
  EXPECT_EQ(waiting.get(), 7U);
}

// The socket reports nothing about the line that was put back.
TEST_F(NoMemory, What_the_leader_read_and_could_not_hand_out_is_not_left_there_C9) {
  const auto lock = make(path);
  const auto other = make(folder / "other");
  auto leading = acquiring(*other, proto::Seconds(0.1));
  daemon.welcome();
  daemon.reply(daemon.next().id, proto::Waiting{41});
  auto waiting = acquiring(*lock);
  const auto wait = daemon.next();
  limit = 0;
  spared = 0;
  refusals = std::numeric_limits<int>::max();
  daemon.reply(wait.id, proto::Grant{7});
  EXPECT_ANY_THROW(std::ignore = leading.get().value());
  have_enough();
  if (waiting.wait_for(std::chrono::seconds(5)) != std::future_status::ready) {
    ADD_FAILURE() << "nobody reads it again";
    be_read();
  }
  EXPECT_EQ(waiting.get(), 7U);
}

}  // namespace
}  // namespace locket::client
