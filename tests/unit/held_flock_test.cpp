#include "proto/held_flock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/file.h>
#include <unistd.h>

#include <thread>

#include "proto/descriptor.hpp"
#include "tests/unit/temporary_folder.hpp"

namespace locket::proto {
namespace {

class HeldFlock : public testing::Test {
 protected:
  [[nodiscard]] Descriptor open() const {
    return Descriptor(::open((folder / "lock").c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  }

  test::TemporaryFolder folder;
};

TEST_F(HeldFlock, Is_that_of_this_very_open_file) {
  const Descriptor file = open();
  const Descriptor other = open();
  EXPECT_EQ(held_flock(file.get()).value(), std::nullopt);
  ASSERT_EQ(::flock(file.get(), LOCK_EX), 0);
  EXPECT_EQ(held_flock(file.get()).value(), Mode::exclusive);
  EXPECT_EQ(held_flock(other.get()).value(), std::nullopt);
  ASSERT_EQ(::flock(file.get(), LOCK_SH), 0);
  EXPECT_EQ(held_flock(file.get()).value(), Mode::shared);
}

TEST_F(HeldFlock, Cannot_be_told_of_no_open_file) {
  const int fd = open().get();  // and closed again
  EXPECT_EQ(held_flock(fd).error(), ENOENT);
}

// Such a thread's descriptors are not the process's (unshare(2), CLONE_FILES).
TEST_F(HeldFlock, Can_be_asked_for_by_a_thread_with_files_of_its_own) {
  std::thread([&] {
    ASSERT_EQ(::unshare(CLONE_FILES), 0);
    const Descriptor file = open();
    ASSERT_EQ(::flock(file.get(), LOCK_EX), 0);
    EXPECT_EQ(held_flock(file.get()).value(), Mode::exclusive);
  }).join();
}

}  // namespace
}  // namespace locket::proto
