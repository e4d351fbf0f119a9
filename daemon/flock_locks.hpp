// OS locks by flock(2), on the open file description that the client passed and still shares: the
// kernel lock outlives either of the two (custody). Destroying this closes the descriptors without
// unlocking, so that holders keep their locks when the daemon ends (C9).

#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "daemon/external_waits.hpp"
#include "daemon/os_locks.hpp"

namespace locketd {

class FlockLocks final : public OsLocks {
 public:
  // `post` runs a function on the loop's thread, soon; it is called from other threads.
  explicit FlockLocks(ExternalWaits::Post post);

  void report_to(Report report) override { report_ = std::move(report); }
  void adopt(Ticket ticket, locket::proto::Descriptor file) override;
  [[nodiscard]] int descriptor(Ticket ticket) const override {
    return files_.at(ticket).file.get();
  }
  void try_lock(Ticket ticket, Mode mode) override;
  void await_lock(Ticket ticket, Mode mode) override;
  void check_lock(Ticket ticket, Mode mode) override;
  void abandon(Ticket ticket) override;
  void unlock(Ticket ticket) override;
  void discard(Ticket ticket) override;

 private:
  struct Custody {
    locket::proto::Descriptor file;
    bool locked = false;
  };

  void ended(Ticket ticket, int error);

  Report report_;
  boost::unordered_flat_map<Ticket, Custody> files_;
  ExternalWaits waits_;  // last: its threads use the descriptors above
};

}  // namespace locketd
