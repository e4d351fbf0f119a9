// The kernel's side, driven by the fuzzer's program: which external holders there are, and when and
// how each attempt ends.
//
// Owned by the world. It checks what Dispatch and Arbiter owe the OS layer: between a ticket's
// adoption and its discard, which never comes during an attempt, it has one attempt at a time; and
// no lock is tried that one of ours excludes, except to look again.

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "daemon/os_locks.hpp"
#include "proto/descriptor.hpp"

namespace locket::fuzz {

class FakeKernel final : public locketd::OsLocks {
 public:
  using Ticket = locketd::Ticket;
  using Mode = locketd::Mode;
  using FileId = locketd::FileId;

  // How attempts end when that is not determined by the locks.
  enum class Whim { none, fail, say_busy };

  bool prompt = false;                                  // answers from within try_lock
  std::function<void(Ticket, const FileId&)> on_adopt;  // called at the end of adopt()
  std::function<void(Ticket)> on_discard;

  void report_to(Report report) override { report_ = std::move(report); }
  void adopt(Ticket ticket, locketd::PassedFile file) override;
  void open(const std::string& path, locketd::UserId, Opened opened) override {
    opened(proto::open_lock_file(path));
  }
  void dispose(proto::Descriptor, locketd::UserId) override {}
  [[nodiscard]] std::size_t calls_pending(locketd::UserId) const override { return 0; }
  [[nodiscard]] std::size_t calls_pending() const override { return 0; }
  [[nodiscard]] bool may_hang(locketd::UserId) const override { return false; }
  [[nodiscard]] int descriptor(Ticket ticket) const override;
  void try_lock(Ticket ticket, Mode mode) override;
  void look_again(Ticket ticket, Mode mode) override;
  void await_lock(Ticket ticket, Mode mode) override;
  void check_lock(Ticket ticket, Mode mode) override;
  void unlock(Ticket ticket) override { locks_.erase(ticket); }
  void abandon(Ticket ticket) override;
  void disown(Ticket ticket) override { locks_.erase(ticket); }
  void discard(Ticket ticket) override;
  std::optional<locketd::PassedFile> give_back(Ticket ticket) override;

  [[nodiscard]] std::size_t attempts() const { return attempts_.size(); }
  [[nodiscard]] std::size_t adopted() const { return files_.size(); }
  [[nodiscard]] bool locked(Ticket ticket) const { return locks_.contains(ticket); }

  // Ends one of the pending attempts, unless it still waits for a holder.
  void answer(std::size_t which, Whim whim);

  // An external holder unlocks the file, or a process without the daemon locks it if it can. It may
  // later turn out to have held it under the former daemon.
  void external(const FileId& file, Mode mode);
  void no_externals() { externals_.clear(); }

 private:
  struct Attempt {
    Mode mode;
    bool awaiting = false;
    bool checking = false;
    bool looking = false;
    bool abandoned = false;
  };
  struct File {
    proto::Descriptor descriptor;
    FileId id;
  };

  void begin(Ticket ticket, Attempt attempt);
  void end(Ticket ticket, locketd::OsResult result, int os_error);
  [[nodiscard]] bool still_held(Ticket ticket, Mode mode);
  [[nodiscard]] bool free_for(Ticket ticket, Mode mode) const;
  [[nodiscard]] bool ours_exclude(const FileId& file, Mode mode) const;

  Report report_;
  std::map<Ticket, File> files_;
  std::map<Ticket, Attempt> attempts_;
  std::map<Ticket, Mode> locks_;
  std::map<FileId, Mode> externals_;
};

}  // namespace locket::fuzz
