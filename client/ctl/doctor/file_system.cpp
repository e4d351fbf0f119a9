#include "client/ctl/doctor/file_system.hpp"

#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "proto/text.hpp"

namespace locketctl {
namespace {

constexpr char kCheck[] = "file system";

// Those that linux/magic.h lacks, from their own sources.
constexpr std::uint64_t kZfs = 0x2fc12fc1;
constexpr std::uint64_t kBcachefs = 0xca451a4e;
constexpr std::uint64_t kNtfs3 = 0x7366746e;
constexpr std::uint64_t kJfs = 0x3153464a;
constexpr std::uint64_t kGfs2 = 0x01161970;
constexpr std::uint64_t kLustre = 0x0bd00bd0;

struct Type {
  std::uint64_t magic;
  const char* name;
};

// The locks are the kernel's own, seen by everyone on this machine and by no other machine.
constexpr std::array kLocal{
    Type{BTRFS_SUPER_MAGIC, "btrfs"},
    Type{EXFAT_SUPER_MAGIC, "exfat"},
    Type{EXT4_SUPER_MAGIC, "ext4"},
    Type{F2FS_SUPER_MAGIC, "f2fs"},
    Type{ISOFS_SUPER_MAGIC, "iso9660"},
    Type{kBcachefs, "bcachefs"},
    Type{kJfs, "jfs"},
    Type{kNtfs3, "ntfs3"},
    Type{XFS_SUPER_MAGIC, "xfs"},
    Type{kZfs, "zfs"},
    Type{MSDOS_SUPER_MAGIC, "vfat"},
    Type{REISERFS_SUPER_MAGIC, "reiserfs"},
    Type{SQUASHFS_MAGIC, "squashfs"},
};
constexpr std::array kInMemory{Type{TMPFS_MAGIC, "tmpfs"}, Type{RAMFS_MAGIC, "ramfs"}};
// Their own protocol carries flock(2), for all machines that mount them.
constexpr std::array kOfManyMachines{
    Type{AFS_SUPER_MAGIC, "afs"}, Type{CEPH_SUPER_MAGIC, "ceph"},   Type{kGfs2, "gfs2"},
    Type{kLustre, "lustre"},      Type{OCFS2_SUPER_MAGIC, "ocfs2"}, Type{V9FS_MAGIC, "9p"},
};
constexpr std::array kOthers{
    Type{FUSE_SUPER_MAGIC, "fuse"},         Type{CIFS_SUPER_MAGIC, "cifs"},
    Type{SMB2_SUPER_MAGIC, "smb3"},         Type{NFS_SUPER_MAGIC, "nfs"},
    Type{OVERLAYFS_SUPER_MAGIC, "overlay"},
};

template <typename Types>
const char* find(const Types& types, std::uint64_t magic) {
  const auto found = std::ranges::find(types, magic, &Type::magic);
  return found == types.end() ? nullptr : found->name;
}

std::string_view take(std::string_view& text, char delimiter) {
  const auto end = std::min(text.find(delimiter), text.size());
  const auto taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool has_option(const FileSystem& file_system, std::string_view wanted) {
  if (!file_system.mount) return false;
  for (std::string_view left = file_system.mount->options; !left.empty();) {
    if (take(left, ',') == wanted) return true;
  }
  return false;
}

// flock(2), "NFS details"; nfs(5), "local_lock=" and "nolock".
Finding nfs(const FileSystem& file_system) {
  for (const char* option : {"nolock", "local_lock=flock", "local_lock=all"}) {
    if (!has_option(file_system, option)) continue;
    return warning(kCheck,
                   fmt::format("{}, but mounted with {}: this machine alone knows of its locks",
                               name_of(file_system), option),
                   "mount it without that option, if other machines are to be kept out, too");
  }
  return warning(kCheck,
                 fmt::format("{}: flock is a lock of all bytes at the server, since Linux 2.6.12: "
                             "it counts for all machines, and meets locks by fcntl",
                             name_of(file_system)),
                 "a server that is away makes those who lock wait, so prefer a local file for what "
                 "concerns one machine");
}

// flock(2), "CIFS details"; mount.cifs(8), "nobrl".
Finding cifs(const FileSystem& file_system) {
  if (has_option(file_system, "nobrl")) {
    return warning(kCheck,
                   fmt::format("{}, mounted with nobrl: this machine alone knows of its locks",
                               name_of(file_system)),
                   "mount it without nobrl, if other machines are to be kept out, too");
  }
  return warning(kCheck,
                 fmt::format("{}: since Linux 5.5, flock is a mandatory lock at the server: "
                             "programs that read or write the file meanwhile fail",
                             name_of(file_system)),
                 "use a lock file that nobody reads or writes, or one on a local file system");
}

// libfuse's fuse_operations::flock: if a file system does not implement it, the kernel keeps the
// locks.
Finding fuse(const FileSystem& file_system) {
  return warning(kCheck,
                 fmt::format("{}: the file system decides whether it keeps flock itself or leaves "
                             "it to this kernel, for this machine alone; and it may hang",
                             name_of(file_system)),
                 "see its manual before other machines share a lock through it, or use a lock file "
                 "on a local file system");
}

// The kernel's Documentation/filesystems/overlayfs.rst, "Inode properties": if the layers are on
// several file systems and there is no xino=on, a file of a lower layer gets another device and
// inode when its first writer has it copied up. Then it is another lock (C1).
Finding overlay(const FileSystem& file_system) {
  const bool changes = file_system.mount && !file_system.is_folder &&
                       file_system.file_device != file_system.mount->device;
  if (!changes || has_option(file_system, "xino=on")) {
    return ok(
        kCheck,
        "overlay, as in a container: flock works within it; outside of it the file is another");
  }
  return warning(kCheck,
                 "overlay over several file systems: a file that came with a lower layer (the "
                 "image) becomes another one, and another lock, when it is first written to",
                 "make the lock file anew within the container, or use one on a volume");
}

}  // namespace

std::optional<Mount> mount_in(std::string_view mountinfo, std::uint64_t id) {
  while (!mountinfo.empty()) {
    // 36 35 98:0 /root /mount/point options [optional fields...] - type source options
    std::string_view line = take(mountinfo, '\n');
    const auto separator = line.find(" - ");
    if (number_in(take(line, ' ')) != id || separator == std::string_view::npos) continue;
    std::string_view rest = line.substr(line.find(" - ") + 3);
    take(line, ' ');
    std::string_view device = take(line, ' ');
    const auto major_number = static_cast<unsigned>(number_in(take(device, ':')));
    const auto minor_number = static_cast<unsigned>(number_in(device));
    take(line, ' ');
    take(line, ' ');
    const std::string options(take(line, ' '));
    const std::string type(take(rest, ' '));
    take(rest, ' ');
    return Mount{makedev(major_number, minor_number), type, options + ',' + std::string(rest)};
  }
  return std::nullopt;
}

std::string name_of(const FileSystem& file_system) {
  if (file_system.mount) return locket::proto::printable(file_system.mount->type);
  const auto magic = file_system.magic;
  for (const char* name : {find(kLocal, magic), find(kInMemory, magic),
                           find(kOfManyMachines, magic), find(kOthers, magic)}) {
    if (name != nullptr) return name;
  }
  return fmt::format("of type {:#x}", magic);
}

Finding expectation_of(const FileSystem& file_system) {
  const auto magic = file_system.magic;
  const std::string name = name_of(file_system);
  if (find(kLocal, magic) != nullptr) {
    return ok(kCheck, fmt::format("{}, local: flock works for all of this machine", name));
  }
  if (find(kInMemory, magic) != nullptr) {
    return ok(kCheck,
              fmt::format("{}, local: flock works for all of this machine, and the file is gone "
                          "with the mount",
                          name));
  }
  if (find(kOfManyMachines, magic) != nullptr) {
    return warning(kCheck,
                   fmt::format("{}: flock may count for all machines that mount it, as its options "
                               "say, and waits for them",
                               name),
                   "see its manual, or use a lock file on a local file system");
  }
  if (magic == NFS_SUPER_MAGIC) return nfs(file_system);
  if (magic == CIFS_SUPER_MAGIC || magic == SMB2_SUPER_MAGIC) return cifs(file_system);
  if (magic == FUSE_SUPER_MAGIC) return fuse(file_system);
  if (magic == OVERLAYFS_SUPER_MAGIC) return overlay(file_system);
  return warning(kCheck, fmt::format("{}, which locketctl knows nothing of", name),
                 "see below whether flock works, and its manual for how far");
}

}  // namespace locketctl
