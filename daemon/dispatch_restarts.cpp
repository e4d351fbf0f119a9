// Part of dispatch.hpp: what a daemon takes over from the previous one and leaves to the next (C9).

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/dispatch.hpp"
#include "proto/limits.hpp"

namespace locketd {

namespace proto = locket::proto;

namespace {

// The end of recovery is noticed later than this only if the process itself stood still (SIGSTOP, a
// suspended machine). Clients that came back in time are then not heard yet, so recovery goes on
// for twice as long: that leaves room for one pass of the loop that just counts as in time.
constexpr std::chrono::milliseconds kStandstill{50};
constexpr int kMaxProlongations = 4;  // recovery must end even on a machine that is always late
// While a client is still coming back, others may be behind it, as on a busy machine: each has
// tried again within this time. But no client can keep recovery from ending, and it ends before
// clients that want an answer at once give up (a second).
constexpr std::chrono::milliseconds kBetweenTwo{100};
constexpr std::chrono::milliseconds kLongestDelay{500};

}  // namespace

void Dispatch::recover_until(Monotonic end) {
  arbiter_.begin_recovery();
  recovery_end_ = end;
  recovery_latest_ = end + kLongestDelay;
}

void Dispatch::extend_recovery() {
  if (!recovery_end_) return;
  const Monotonic others = sessions_.now().steady + kBetweenTwo;
  recovery_end_ = std::max(*recovery_end_, std::min(others, recovery_latest_));
}

void Dispatch::end_recovery_in_time(Monotonic now) {
  if (!recovery_end_ || now < *recovery_end_) return;
  if (now >= *recovery_end_ + kStandstill && prolongations_ < kMaxProlongations) {
    ++prolongations_;
    recovery_end_ = now + 2 * kStandstill;
    return;
  }
  recovery_end_.reset();
  arbiter_.end_recovery();
  pump();
}

// Many sessions may have to be kept, and one of them again for each of many grants: it is done once
// for all changes of a pass, and for one session per pass (C15).
void Dispatch::keep_later(const Client& client) {
  const bool is_kept = kept_.contains(client.session);
  if (is_kept || sessions_.max_kept_locks() == 0) return;
  if (takes_share(client)) {
    to_keep_.insert(client.session);
  } else {
    tell(
        log::Level::warning,
        {Incident::Kind::kept_session_dropped,
         client.peer->pid,
         client.peer->uid,
         {},
         "as much as one user may have is kept for this one: a restarted locketd will take what it "
         "holds for locked by others"});
  }
}

void Dispatch::opened_kept(SessionId session, UserId user) {
  kept_.insert(session);
  shares_[user][session] = kDescriptorsKeptBeside + 1;  // and at least one lock file
}

// False if that would be more than the user may have; what is kept of the session so far stays.
bool Dispatch::takes_share(const Client& client) {
  auto& shares = shares_[client.peer->uid];
  const std::size_t share = kDescriptorsKeptBeside + std::min(arbiter_.claim_count(client.session),
                                                              sessions_.max_kept_locks());
  std::size_t all = share;
  for (const auto& [session, descriptors] : shares) {
    if (session != client.session) all += descriptors;
  }
  if (all > kMaxDescriptorsKeptOfUser) return false;
  shares[client.session] = share;
  return true;
}

void Dispatch::give_share_back(const Client& client) {
  const auto shares = shares_.find(client.peer->uid);
  if (shares == shares_.end()) return;
  shares->second.erase(client.session);
  if (shares->second.empty()) shares_.erase(shares);
}

// Keeps one session, as the lines that its client would send to the next daemon if it still could.
void Dispatch::keep_one() {
  if (to_keep_.empty()) return;
  const Client& client = clients_.at(to_keep_.extract(to_keep_.begin()).value());
  const Instant now = sessions_.now();
  RequestId id = 0;
  proto::Hello hello;
  hello.protocol = proto::kProtocolVersion;
  hello.command = client.stated_command;
  std::string lines = proto::encode(proto::Request{id, hello});
  std::vector<int> files;
  arbiter_.visit_session(client.session, [&](const Entry& entry) {
    if (!entry.held || files.size() == sessions_.max_kept_locks()) return;
    const Claim& claim = entry.claim;
    const proto::Seconds age = now.steady - entry.since.steady;
    lines += proto::encode(proto::Request{
        ++id,
        proto::Reclaim{claim.path, claim.mode, {}, claim.reason, entry.token, entry.ticket, age}});
    files.push_back(os_locks_.descriptor(entry.ticket));
  });
  lines += proto::encode(proto::Request{++id, proto::Detach{client.stated_command}});
  if (!sessions_.keep(client.session, lines, files)) put_off_.insert(client.session);
  if (!to_keep_.empty()) sessions_.settle_later();
}

void Dispatch::keep_those_put_off() {
  to_keep_.merge(put_off_);
  put_off_.clear();
}

// A process whose session an earlier daemon kept, because it was becoming another program, may come
// back by itself: it had not become one yet, or could not. The kept session is then one holder too
// many, on the same open file description, and would stay one after the process has released.
void Dispatch::supersede(const Client& client, Token token) {
  if (!client.reclaimed || kept_.contains(client.session)) return;
  for (const SessionId session : kept_) {
    const auto ticket = arbiter_.ticket_of(session, token);
    const bool same_process = clients_.at(session).peer->pid == client.peer->pid;
    if (!ticket || !same_process || client.peer->pid <= 0) continue;
    tell_superseded(session, *ticket);
    os_locks_.disown(*ticket);
    arbiter_.release(session, token);
    // Kept again as it is now: the next daemon would miss the lock that is released here.
    to_keep_.insert(session);
    return;
  }
}

}  // namespace locketd
