#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "client/custody.hpp"
#include "client/lost_lock.hpp"
#include "proto/descriptor.hpp"
#include "proto/held_flock.hpp"

namespace locket::client {
namespace {

// The file, but not the open file description that has its lock, because a child forked meanwhile
// may get a copy (C10).
proto::Descriptor place_of(int fd) {
  const std::string link = fmt::format("/proc/thread-self/fd/{}", fd);
  return proto::Descriptor(::open(link.c_str(), O_PATH | O_CLOEXEC));
}

}  // namespace

bool is_lock_lost(const Custody& custody, proto::Token token) {
  proto::Descriptor place;
  custody.with(token, [&](const Hold& hold) {
    const int fd = hold.claim->descriptor.get();
    const auto held = proto::held_flock(fd);
    if (held && !*held) place = place_of(fd);
  });
  struct statfs info{};
  return place && ::fstatfs(place.get(), &info) == 0 && info.f_type != FUSE_SUPER_MAGIC;
}

}  // namespace locket::client
