// The kernel's locks, as far as the arbiter's answers depend on them: which ones it has for us, by
// ticket, and which ones external holders have.

#pragma once

#include <algorithm>
#include <map>

#include "daemon/arbiter.hpp"

namespace locketd::test {

class ModelKernel {
 public:
  void lock(Ticket ticket, const Claim& claim) { ours_[ticket] = claim; }
  bool unlock(Ticket ticket) { return ours_.erase(ticket) == 1; }

  [[nodiscard]] bool idle() const { return ours_.empty(); }
  [[nodiscard]] bool has(SessionId session, RequestId request) const {
    return std::ranges::any_of(ours_, [&](const auto& lock) {
      return lock.second.session == session && lock.second.request == request;
    });
  }
  [[nodiscard]] bool ours_exclude(const Claim& claim) const {
    return std::ranges::any_of(ours_, [&](const auto& lock) {
      return lock.second.file == claim.file && conflict(lock.second.mode, claim.mode);
    });
  }

  [[nodiscard]] OsResult says(const Claim& claim) const {
    const auto external = externals_.find(claim.file);
    const bool busy = external != externals_.end() && conflict(external->second, claim.mode);
    return busy || ours_exclude(claim) ? OsResult::busy : OsResult::locked;
  }
  // What looked like an external holder may be the holder that comes back.
  OsResult still_held(const Claim& claim) {
    if (ours_exclude(claim)) return OsResult::busy;
    externals_.erase(claim.file);
    return OsResult::locked;
  }

  // An external holder unlocks the file, or a process without the daemon locks it if it can.
  void external(const FileId& file, Mode mode) {
    if (externals_.erase(file) == 0 && !ours_exclude({.file = file, .mode = mode}))
      externals_[file] = mode;
  }
  void no_externals() { externals_.clear(); }

 private:
  static bool conflict(Mode a, Mode b) { return a == Mode::exclusive || b == Mode::exclusive; }

  std::map<Ticket, Claim> ours_;
  std::map<FileId, Mode> externals_;
};

}  // namespace locketd::test
