#include <linux/magic.h>
#include <sys/vfs.h>

#include "client/lost_lock.hpp"
#include "proto/held_flock.hpp"

namespace locket::client {

bool is_lock_lost(int descriptor) {
  const auto held = proto::held_flock(descriptor);
  if (!held || *held) return false;
  struct statfs info{};
  return ::fstatfs(descriptor, &info) == 0 && info.f_type != FUSE_SUPER_MAGIC;
}

}  // namespace locket::client
