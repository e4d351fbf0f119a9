// Which mounts are local, according to the text of proc_pid_mountinfo(5).

#include "daemon/local_devices.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include <string>

namespace locketd::test {
namespace {

TEST(LocalDevices, A_mount_of_a_type_that_the_kernel_serves_alone_is_local) {
  const auto local = local_mounts(
      "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
      "30 25 0:27 / /dev/shm rw shared:3 - tmpfs tmpfs rw\n"
      "44 27 0:39 / /var/lib/x rw shared:7 master:2 propagate_from:1 - overlay overlay rw\n");
  EXPECT_EQ(local.devices.size(), 3U);
  EXPECT_TRUE(local.devices.contains(makedev(254, 0)));
  EXPECT_TRUE(local.devices.contains(makedev(0, 27)));
  EXPECT_TRUE(local.devices.contains(makedev(0, 39)));
  EXPECT_TRUE(local.mounts.contains(44));
}

TEST(LocalDevices, What_asks_another_machine_or_process_is_not_local_C15) {
  const auto local = local_mounts(
      "50 27 0:50 / /a rw - fuse.sshfs someone@there: rw\n"
      "51 27 0:51 / /b rw - fuse portal rw\n"
      "52 27 8:1 / /c rw - fuseblk /dev/sda1 rw\n"
      "53 27 0:53 / /d rw - nfs4 there:/x rw\n"
      "54 27 0:54 / /e rw - cifs //there/x rw\n"
      "55 27 0:55 / /f rw - 9p x rw\n"
      "56 27 0:56 / /g rw - virtiofs x rw\n"
      "57 27 0:57 / /h rw - ceph x rw\n"
      "58 27 0:58 / /i rw - autofs x rw\n");
  EXPECT_TRUE(local.devices.empty());
  EXPECT_TRUE(local.mounts.empty());
}

TEST(LocalDevices, A_type_that_is_not_known_is_not_local) {
  EXPECT_TRUE(local_mounts("50 27 0:50 / /a rw - ext45 x rw\n").devices.empty());
  EXPECT_TRUE(local_mounts("50 27 0:50 / /a rw - ext x rw\n").devices.empty());
  EXPECT_TRUE(local_mounts("50 27 0:50 / /a rw - EXT4 x rw\n").devices.empty());
}

// Spaces are written as \040, but a path may contain anything else.
TEST(LocalDevices, A_mount_point_cannot_pretend_to_be_a_type) {
  const auto local =
      local_mounts("50 27 0:50 / /home/eve/-\\040ext4\\040x rw - fuse.evil evil-ext4 rw\n");
  EXPECT_TRUE(local.devices.empty());
}

TEST(LocalDevices, What_is_no_line_of_the_table_is_passed_over) {
  const auto local = local_mounts(
      "\n"
      " - \n"
      " - ext4\n"
      "x 1 254:0 / / rw - ext4 x rw\n"
      "27 1 254 / / rw - ext4 x rw\n"
      "27 1 254:x / / rw - ext4 x rw\n"
      "27 1 -1:0 / / rw - ext4 x rw\n"
      "27 1 99999999999:0 / / rw - ext4 x rw\n"
      "28 1 254:1 / / rw - ext4");
  EXPECT_EQ(local.devices, std::unordered_set<std::uint64_t>{makedev(254, 1)});
  EXPECT_EQ(local.mounts, std::unordered_set<std::uint64_t>{28});
}

// For example, a subvolume of btrfs.
TEST(LocalDevices, A_file_of_an_unknown_device_is_known_by_its_mount) {
  LocalDevices devices;
  const locket::proto::Descriptor folder(::open("/", O_RDONLY | O_CLOEXEC));
  auto location = locket::proto::locate(folder.get());
  ASSERT_TRUE(location);
  if (!devices.include(*location)) GTEST_SKIP() << "/ is not local here";
  location->file.device = makedev(4095, 4095);
  EXPECT_TRUE(devices.include(*location));
  location->mount = 0;
  EXPECT_FALSE(devices.include(*location));
}

TEST(LocalDevices, A_file_that_no_mount_shows_is_not_local) {
  LocalDevices devices;
  const locket::proto::Descriptor file(::memfd_create("probe", MFD_CLOEXEC));
  const auto location = locket::proto::locate(file.get());
  ASSERT_TRUE(location);
  EXPECT_FALSE(devices.include(*location));
}

TEST(LocalDevices, The_table_is_read_anew_when_it_has_changed) {
  LocalDevices devices;
  const locket::proto::Location nowhere{{makedev(4095, 4095), 1}, 0};
  EXPECT_FALSE(devices.include(nowhere));
  devices.changed();
  EXPECT_FALSE(devices.include(nowhere));
}

}  // namespace
}  // namespace locketd::test
