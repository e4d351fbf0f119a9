// The kernel's side of a lock, as the arbiter's events see it.
//
// Role: performs TryLock, LookAgain, AwaitLock, CheckLock, Abandon, Unlock and Discard on
// descriptors that it keeps by ticket, and reports each attempt's end once. Owned by Server,
// outlives Dispatch. Called on the loop's thread only, and reports on it. An interface, so that
// tests and fuzzers drive the arbiter without files.

#pragma once

#include <cerrno>
#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include "daemon/arbiter.hpp"
#include "proto/descriptor.hpp"
#include "proto/lock_file.hpp"

namespace locketd {

// Not an error of flock(2)'s.
inline constexpr int kLockedAlready = EALREADY;

struct PassedFile {
  locket::proto::Descriptor descriptor;
  locket::proto::Location location;
  UserId user = 0;     // whose session passed it
  bool local = false;  // known to be local; `location` is then set
};

class OsLocks {
 public:
  // May be called from within try_lock, look_again, check_lock and abandon.
  using Report = std::function<void(Ticket, OsResult, int os_error)>;

  OsLocks() = default;
  virtual ~OsLocks() = default;
  OsLocks(const OsLocks&) = delete;
  OsLocks& operator=(const OsLocks&) = delete;

  virtual void report_to(Report report) = 0;

  // Takes custody of the descriptor until discard().
  virtual void adopt(Ticket ticket, PassedFile file) = 0;

  // Opens a path for this user, and reports the outcome, perhaps later.
  using Opened =
      std::function<void(std::expected<locket::proto::Descriptor, locket::proto::Error>)>;
  virtual void open(const std::string& path, UserId user, Opened opened) = 0;

  // Closes a descriptor from a client of this user that will not be used. None may be closed
  // elsewhere: its file system could keep the loop waiting (C15).
  virtual void dispose(locket::proto::Descriptor file, UserId user) = 0;

  // How many calls on this user's files are under way, or queued behind others.
  [[nodiscard]] virtual std::size_t calls_pending(UserId user) const = 0;
  [[nodiscard]] virtual std::size_t calls_pending() const = 0;  // of all

  // Whether some of these calls are on files that are not local.
  [[nodiscard]] virtual bool may_hang(UserId user) const = 0;

  // The descriptor stays in custody here.
  [[nodiscard]] virtual int descriptor(Ticket ticket) const = 0;

  // Fails with kLockedAlready if another ticket already has the lock by this very open file
  // description.
  virtual void try_lock(Ticket ticket, Mode mode) = 0;

  // Like try_lock(), when a holder of ours should be in the way but may have released. Reports busy
  // if this open file description has the lock already, since it is then that holder's own; and
  // without asking on a file that is not local, where asking could take for ever.
  virtual void look_again(Ticket ticket, Mode mode) = 0;
  virtual void await_lock(Ticket ticket, Mode mode) = 0;

  // Reports whether this open file description has the lock already. Does not lock: while a
  // client's reclaim and its release are both on their way, that would take what others wait for
  // (C7). A FUSE file system that keeps its locks itself can be asked in no other way, so there it
  // may lock.
  virtual void check_lock(Ticket ticket, Mode mode) = 0;

  virtual void unlock(Ticket ticket) = 0;

  // Its discard() will not unlock: another ticket now answers for the same open file description.
  virtual void disown(Ticket ticket) = 0;
  virtual void abandon(Ticket ticket) = 0;

  // Unlocks explicitly if locked: copies of the descriptor that leaked to a dead client's children
  // must not keep the lock alive (C8).
  virtual void discard(Ticket ticket) = 0;

  // Like discard(), but returns the open descriptor, unlocked. None if its file is not local:
  // unlocking it could take for ever.
  virtual std::optional<PassedFile> give_back(Ticket ticket) = 0;
};

}  // namespace locketd
