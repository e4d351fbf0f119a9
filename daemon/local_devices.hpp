// Which files this kernel serves alone: on those, no call keeps its caller waiting for somebody
// else's program or machine (C15).
//
// Owned by Server. What counts is the daemon's own mount table, where only root, or a program
// that root trusts with it, mounts something: so an overlay in it is as local as what is beneath.
// A device that is not in it may be anything.
//
// Invariants:
//  1. What no mount of the table tells to be local is not.
//  2. The table is read anew before the next question after changed(), which is told when poll(2)
//     says so: proc_pid_mountinfo(5). Between the change and the telling, a device number that was
//     a local one's may be that of a file system mounted since. That takes an unmount of root's,
//     and events that come to the loop in another order than they happened.

#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "proto/descriptor.hpp"
#include "proto/lock_file.hpp"

namespace locketd {

struct LocalMounts {
  std::unordered_set<std::uint64_t> devices;
  // A subvolume of btrfs has files of a device that no mount tells.
  std::unordered_set<std::uint64_t> mounts;
};

// From the text of /proc/self/mountinfo. Lines that are none of its are passed over.
LocalMounts local_mounts(std::string_view mountinfo);

class LocalDevices {
 public:
  LocalDevices();

  [[nodiscard]] bool include(const locket::proto::Location& location);

  // To poll for POLLPRI; none where there is no table to read.
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
