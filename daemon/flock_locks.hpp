// OS locks by flock(2), on the open file description that the client passed and still shares: the
// kernel lock survives the end of either process (custody).
//
// Owned by Server, outlives Dispatch.
//
// Invariants:
//  1. The loop's thread makes no call on a file that is not known to be local, not even close(2):
//     SlowFiles and ExternalWaits do (C15). On a local file it makes only the calls that it needs,
//     and does not close a file that has been unlinked.
//  2. A call under way on a file that is not local shares its custody, so that nothing else closes
//     the file meanwhile.
//  3. No open file description has two locks: while other claims of ours share a file's lock, the
//     kernel would grant it once more to a description that has it already, and the first claim to
//     end would unlock both.
//  4. Nothing is tried or checked on a file while it is being unlocked; otherwise the kernel would
//     report an external holder, or a lock that is about to be gone.

#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/external_waits.hpp"
#include "daemon/local_devices.hpp"
#include "daemon/os_locks.hpp"
#include "daemon/slow_files.hpp"

namespace locketd {

class FlockLocks final : public OsLocks {
 public:
  // `post` runs a function on the loop's thread, soon; it is called from other threads.
  FlockLocks(SlowFiles::Post post, LocalDevices& devices);

  void report_to(Report report) override { report_ = std::move(report); }
  void adopt(Ticket ticket, PassedFile file) override;
  void open(const std::string& path, UserId user, Opened opened) override;
  void dispose(locket::proto::Descriptor file, UserId user) override;
  [[nodiscard]] std::size_t calls_pending(UserId user) const override;
  [[nodiscard]] std::size_t calls_pending() const override;
  [[nodiscard]] bool may_hang(UserId user) const override { return slow_.pending(user) > 0; }
  [[nodiscard]] int descriptor(Ticket ticket) const override {
    return files_.at(ticket).descriptor();
  }
  void try_lock(Ticket ticket, Mode mode) override;
  void look_again(Ticket ticket, Mode mode) override;
  void await_lock(Ticket ticket, Mode mode) override;
  void check_lock(Ticket ticket, Mode mode) override;
  void abandon(Ticket ticket) override;
  void unlock(Ticket ticket) override;
  void disown(Ticket ticket) override { set_locked(files_.at(ticket), false); }
  void discard(Ticket ticket) override;
  std::optional<PassedFile> give_back(Ticket ticket) override;

  // Closes the descriptors without unlocking, so that holders keep their locks when the daemon ends
  // (C9), and ends the threads. False if some of them hang beyond `patience`: then this object must
  // not be destroyed, and the process must end without them.
  [[nodiscard]] bool finish(std::chrono::steady_clock::duration patience);

 private:
  using SharedFile = std::shared_ptr<const locket::proto::Descriptor>;
  struct Custody {
    locket::proto::Descriptor local;  // empty if the file is not local; then
    SharedFile slow;                  // this one, shared with the calls under way
    FileId id;
    SlowFiles::User user = 0;
    Mode mode = Mode::exclusive;  // last asked for
    bool locked = false;

    [[nodiscard]] bool is_local() const { return slow == nullptr; }
    [[nodiscard]] int descriptor() const { return is_local() ? local.get() : slow->get(); }
  };
  // A request that came while the file was being unlocked.
  struct Deferred {
    Ticket ticket;
    Mode mode;
    bool check;
  };
  struct Unlocking {
    std::size_t calls = 0;
    std::vector<Deferred> deferred;
  };

  void set_locked(Custody& custody, bool locked);
  bool is_shared(const Custody& custody) const;
  bool defer(const Custody& custody, const Deferred& request);
  void ask_slowly(const Custody& custody, const Deferred& request);
  void unlock_slowly(const FileId& id, SharedFile file, SlowFiles::User user);
  void unlocked(const FileId& id);
  void close_slowly(SharedFile file, SlowFiles::User user);
  void close_unlinked(locket::proto::Descriptor file, SlowFiles::User user);
  void ended(Ticket ticket, int error);

  LocalDevices& devices_;
  Report report_;
  boost::unordered_flat_map<Ticket, Custody> files_;
  boost::unordered_flat_map<FileId, Unlocking, HashFile> unlocking_;
  boost::unordered_flat_map<FileId, std::size_t, HashFile> sharers_;  // shared locks of ours
  SlowFiles slow_;
  SlowFiles closing_;    // closes unlinked local files: slow, but never hangs
  ExternalWaits waits_;  // last: its threads use all of the above
};

}  // namespace locketd
