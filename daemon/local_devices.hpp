// Which files this kernel serves alone: no call on them waits for another program or machine (C15).
//
// Owned by Server. The daemon's own mount table decides: only root, or a program that root trusts
// with it, mounts anything there, so an overlay in it is as local as what is beneath. A device that
// is not in it may be anything.
//
// Invariants:
//  1. A file is local only if a mount in the table says so.
//  2. The table is read anew before the first question after changed(), which must be called when
//     poll(2) reports a change: proc_pid_mountinfo(5). Between the change and that call, the number
//     of a local device may already belong to a file system mounted since. That takes an unmount by
//     root, and events that reach the loop in another order than they happened.

#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "proto/descriptor.hpp"
#include "proto/lock_file.hpp"

namespace locketd {

struct LocalMounts {
  std::unordered_set<std::uint64_t> devices;
  // For btrfs: a subvolume's files have a device that no mount names.
  std::unordered_set<std::uint64_t> mounts;
};

// From the text of /proc/self/mountinfo. Malformed lines are skipped.
LocalMounts local_mounts(std::string_view mountinfo);

class LocalDevices {
 public:
  LocalDevices();

  [[nodiscard]] bool include(const locket::proto::Location& location);

  // To poll for POLLPRI; -1 if there is no table to read.
  [[nodiscard]] int descriptor() const { return table_.get(); }
  void changed() { stale_ = true; }

 private:
  [[nodiscard]] bool has_changed() const;
  void read();

  locket::proto::Descriptor table_;
  LocalMounts local_;
  bool stale_ = true;
};

}  // namespace locketd
