#include <fcntl.h>
#include <poll.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "daemon/local_devices.hpp"
#include "daemon/log.hpp"

namespace locketd {
namespace {

// Leaves out those that ask another machine (nfs, cifs, 9p, ceph, virtiofs) or another process
// (fuse), and those that are not known here.
constexpr std::array kLocalTypes{
    std::string_view("bcachefs"), std::string_view("btrfs"),    std::string_view("devtmpfs"),
    std::string_view("erofs"),    std::string_view("exfat"),    std::string_view("ext2"),
    std::string_view("ext3"),     std::string_view("ext4"),     std::string_view("f2fs"),
    std::string_view("hfs"),      std::string_view("hfsplus"),  std::string_view("iso9660"),
    std::string_view("jfs"),      std::string_view("minix"),    std::string_view("msdos"),
    std::string_view("nilfs2"),   std::string_view("ntfs3"),    std::string_view("overlay"),
    std::string_view("ramfs"),    std::string_view("reiserfs"), std::string_view("rootfs"),
    std::string_view("squashfs"), std::string_view("tmpfs"),    std::string_view("ubifs"),
    std::string_view("udf"),      std::string_view("vfat"),     std::string_view("xfs"),
    std::string_view("zfs"),
};
static_assert(std::ranges::is_sorted(kLocalTypes));

std::optional<unsigned> number_of(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view take(std::string_view& text, char delimiter) {
  const auto end = std::min(text.find(delimiter), text.size());
  const auto taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

// 36 35 98:0 /root /mount/point options [optional fields...] - type source options; a space within
// a field is written as \040.
void add_line(LocalMounts& local, std::string_view line) {
  const auto separator = line.find(" - ");
  if (separator == std::string_view::npos) return;
  std::string_view type = line.substr(separator + 3);
  type = take(type, ' ');
  if (!std::ranges::binary_search(kLocalTypes, type)) return;
  const auto mount = number_of(take(line, ' '));
  take(line, ' ');
  std::string_view device = take(line, ' ');
  const auto major_number = number_of(take(device, ':'));
  const auto minor_number = number_of(device);
  if (!mount || !major_number || !minor_number) return;
  local.mounts.insert(*mount);
  local.devices.insert(makedev(*major_number, *minor_number));
}

}  // namespace

LocalMounts local_mounts(std::string_view mountinfo) {
  LocalMounts local;
  while (!mountinfo.empty()) add_line(local, take(mountinfo, '\n'));
  return local;
}

LocalDevices::LocalDevices() : table_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) {
  if (!table_) log::warning("cannot read /proc/self/mountinfo: {}", std::strerror(errno));
}

bool LocalDevices::include(const locket::proto::Location& location) {
  const auto found = [&] {
    return local_.devices.contains(location.file.device) ||
           (location.mount != 0 && local_.mounts.contains(location.mount));
  };
  if (!stale_ && found()) return true;
  if (!stale_ && !has_changed()) return false;
  read();
  return found();
}

bool LocalDevices::has_changed() const {
  pollfd table{table_.get(), POLLPRI, 0};
  return ::poll(&table, 1, 0) > 0 && (table.revents & POLLPRI) != 0;
}

// A read that fails half-way does no harm: files of mounts that are missing then only take the slow
// way.
void LocalDevices::read() {
  std::string text;
  std::array<char, 64 * 1024> buffer;
  ssize_t length = ::lseek(table_.get(), 0, SEEK_SET);
  while (length >= 0 && (length = ::read(table_.get(), buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(length));
  }
  local_ = local_mounts(text);
  stale_ = false;
}

}  // namespace locketd
