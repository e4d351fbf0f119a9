// Sessions of processes that have become other programs, and so cannot come back by themselves:
// kept by the service manager for the next daemon (C9).
//
// Kept of each: a record, which is the lines by which its client would have come back (hello,
// reclaim, detach), a pidfd of the process, and the lock files. Owned by Server.

#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "daemon/arbiter.hpp"
#include "daemon/peer.hpp"
#include "daemon/service_manager.hpp"
#include "proto/descriptor.hpp"

namespace locketd {

// As an earlier daemon kept it.
struct KeptSession {
  std::string name;
  Peer peer;
  std::vector<std::string> lines;
  std::deque<locket::proto::Descriptor> files;
};

class KeptSessions {
 public:
  // Of a session. What it holds beyond is an external holder's after a restart.
  static constexpr std::size_t kMaxLocks = 64;

  explicit KeptSessions(const ServiceManager& manager) : manager_(manager) {}

  // `lines` as said above, `files` in the order of its reclaims.
  void keep(SessionId session, const Peer& peer, const std::string& lines,
            const std::vector<int>& files, Monotonic now);

  // That session is the one that was kept by this name.
  void adopt(SessionId session, const KeptSession& kept);

  void forget(SessionId session);

  struct Leftover {
    locket::proto::Descriptor file;
    UserId user;
  };

  // What of it is whole; the rest is forgotten, and its files, which may hang when they are closed,
  // are left over. Ages are as of now.
  std::vector<KeptSession> take(std::vector<Inherited::Named> kept, Monotonic now,
                                std::vector<Leftover>& leftovers) const;

 private:
  void forget(const std::string& name, std::size_t files) const;

  struct Kept {
    std::string name;
    std::size_t files = 0;
  };

  const ServiceManager& manager_;
  std::map<SessionId, Kept> sessions_;
};

}  // namespace locketd
