// Sessions of processes that have become other programs, and so cannot come back by themselves:
// kept by the service manager for the next daemon (C9).
//
// For each, the manager keeps a record (the lines with which its client would have come back:
// hello, reclaim, detach), a pidfd of the process, and the lock files. Owned by Server.

#pragma once

#include <chrono>
#include <cstdint>
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
  locket::proto::Descriptors files;
};

// The path of its first lock, escaped; empty if that is not known.
std::string path_in(const KeptSession& session);

class KeptSessions {
 public:
  // Of one session. Any further locks look like an external holder's after a restart.
  static constexpr std::size_t kMaxLocks = 64;

  explicit KeptSessions(ServiceManager& manager) : manager_(manager) {}

  // `lines` as described above, `files` in the order of its reclaims. Keeps all of it or nothing.
  enum class Outcome : std::uint8_t { kept, no_room_now, no_memory };
  [[nodiscard]] Outcome keep(SessionId session, const Peer& peer, const std::string& lines,
                             const std::vector<int>& files, Monotonic now);

  // Whether the manager has yet to receive something, or had no room for something.
  [[nodiscard]] bool is_behind() const { return no_room_ || manager_.is_behind(); }

  // Sends it again. True if everything for which there was no room may be tried again.
  bool catch_up();

  // Tells the next daemon that this one was there, even if no session is kept.
  void announce();

  // `session` is the one that was kept as `kept`.
  void adopt(SessionId session, const KeptSession& kept);

  void forget(SessionId session);

  // The complete sessions, and what is there of broken ones: those are forgotten, and closing their
  // files may hang. Ages are as of now.
  struct Taken {
    std::vector<KeptSession> whole;
    std::vector<KeptSession> broken;
  };
  Taken take(std::vector<Inherited::Named> kept, Monotonic now);

 private:
  struct Kept {
    std::string name;
    std::size_t files = 0;
  };

  Outcome no_room();
  void forget(const std::string& name, std::size_t files);
  [[nodiscard]] bool keep_all(const Kept& as, int record, int process,
                              const std::vector<int>& files);

  ServiceManager& manager_;
  std::map<SessionId, Kept> sessions_;
  bool announced_ = false;
  bool no_room_ = false;  // for something that was to be kept
};

}  // namespace locketd
