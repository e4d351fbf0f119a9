// What locketctl doctor expects of file systems that tests cannot mount.

#include "client/ctl/doctor/file_system.hpp"

#include <gmock/gmock.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

namespace locketctl {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using State = Finding::State;

constexpr std::string_view kMounts =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro\n"
    "36 22 0:33 / /srv/one\\040two rw,noatime shared:3 master:2 - nfs4 box:/srv "
    "rw,vers=4.2,local_lock=none\n"
    "37 22 0:34 / /old rw - nfs box:/old rw,vers=3,nolock,local_lock=all\n"
    "broken line\n"
    "38 22 0:35 / /ssh rw - fuse.sshfs box: rw,user_id=0";

Finding expect_of(std::uint64_t magic, std::uint64_t mount) {
  return expectation_of({.magic = magic, .mount = mount_in(kMounts, mount)});
}

TEST(FileSystemOf, The_mount_tells_its_type_device_and_options) {
  const auto nfs = mount_in(kMounts, 36);
  ASSERT_TRUE(nfs);
  EXPECT_EQ(nfs->type, "nfs4");
  EXPECT_EQ(nfs->device, makedev(0, 33));
  EXPECT_EQ(nfs->options, "rw,noatime,rw,vers=4.2,local_lock=none");
  EXPECT_EQ(mount_in(kMounts, 38)->type, "fuse.sshfs");
  EXPECT_EQ(mount_in(kMounts, 39), std::nullopt);
  EXPECT_EQ(mount_in("", 0), std::nullopt);
}

TEST(FileSystemOf, On_a_local_one_all_is_well) {
  const Finding ext4 = expect_of(EXT4_SUPER_MAGIC, 22);
  EXPECT_EQ(ext4.state, State::ok);
  EXPECT_THAT(ext4.text, StartsWith("ext4, local"));
  EXPECT_EQ(expectation_of({.magic = TMPFS_MAGIC}).state, State::ok);
}

TEST(FileSystemOf, NFS_locks_at_the_server) {
  const Finding nfs = expect_of(NFS_SUPER_MAGIC, 36);
  EXPECT_EQ(nfs.state, State::warning);
  EXPECT_THAT(nfs.text, HasSubstr("it counts for all machines"));
  EXPECT_NE(nfs.advice, "");
}

TEST(FileSystemOf, NFS_locks_that_its_mount_keeps_local_are_told_so) {
  const Finding nfs = expect_of(NFS_SUPER_MAGIC, 37);
  EXPECT_EQ(nfs.state, State::warning);
  EXPECT_THAT(nfs.text, HasSubstr("mounted with nolock: this machine alone"));
}

TEST(FileSystemOf, A_FUSE_file_system_is_named) {
  const Finding fuse = expect_of(FUSE_SUPER_MAGIC, 38);
  EXPECT_EQ(fuse.state, State::warning);
  EXPECT_THAT(fuse.text, StartsWith("fuse.sshfs: "));
}

TEST(FileSystemOf, On_an_overlay_a_file_may_become_another) {
  FileSystem overlay{.magic = OVERLAYFS_SUPER_MAGIC,
                     .mount = Mount{.device = 7, .type = "overlay", .options = "rw,lowerdir=/a"},
                     .file_device = 8};
  EXPECT_EQ(expectation_of(overlay).state, State::warning);
  overlay.mount->options += ",xino=on";
  EXPECT_EQ(expectation_of(overlay).state, State::ok);
  overlay.mount->options = "rw";
  overlay.file_device = 7;  // all layers on one file system
  EXPECT_EQ(expectation_of(overlay).state, State::ok);
}

TEST(FileSystemOf, One_that_is_not_known_is_told_so) {
  const Finding unknown = expectation_of({.magic = 0x1234});
  EXPECT_EQ(unknown.state, State::warning);
  EXPECT_THAT(unknown.text, StartsWith("of type 0x1234, which locketctl knows nothing of"));
}

}  // namespace
}  // namespace locketctl
