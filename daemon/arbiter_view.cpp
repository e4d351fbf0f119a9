// Part of arbiter.hpp: what others may see of its state. Nothing here changes anything.

#include <algorithm>
#include <set>

#include "daemon/arbiter_records.hpp"

namespace locketd {

std::vector<SessionId> Arbiter::blockers(Ticket ticket) const {
  std::vector<SessionId> sessions;
  const auto found = records_.find(ticket);
  if (found == records_.end()) return sessions;
  for (const Record& holder : found->second->owner->holders) {
    sessions.push_back(holder.claim.session);
  }
  return sessions;
}

std::vector<FileId> Arbiter::files_of(const std::vector<Ticket>& tickets) const {
  std::vector<FileId> files;
  std::set<LockId> seen;
  for (const Ticket ticket : tickets) {
    const auto found = records_.find(ticket);
    if (found == records_.end() || !seen.insert(found->second->lock).second) continue;
    files.push_back(found->second->claim.file);
  }
  return files;
}

std::vector<SessionId> Arbiter::holding_sessions() const {
  std::vector<SessionId> sessions;
  for (const auto& [session, entry] : sessions_) {
    if (entry->held > 0) sessions.push_back(session);
  }
  return sessions;
}

// A former waiter's ticket may be smaller than a holder's, so the ticket alone does not tell which
// of the two lists the cursor is in.
bool Arbiter::visit_lock(const Lock& lock, const Cursor& after, const Visitor& visitor) const {
  auto holder = after.waiting ? lock.holders.end() : lock.holders.upper_bound(after.ticket);
  for (; holder != lock.holders.end(); ++holder) {
    if (!visitor(*holder, lock.external)) return false;
  }
  auto waiter = after.waiting ? lock.queue.upper_bound(after.ticket) : lock.queue.begin();
  for (; waiter != lock.queue.end(); ++waiter) {
    if (!visitor(*waiter, lock.external)) return false;
  }
  return true;
}

void Arbiter::visit(const Cursor& after, const Visitor& visitor) const {
  for (auto lock = locks_.lower_bound(after.lock); lock != locks_.end(); ++lock) {
    const bool within = lock->first == after.lock;
    if (!visit_lock(lock->second, within ? after : Cursor{}, visitor)) return;
  }
}

void Arbiter::visit(const FileId& file, const Cursor& after, const Visitor& visitor) const {
  const auto found = by_file_.find(file);
  if (found != by_file_.end()) visit_lock(*found->second, after, visitor);
}

void Arbiter::visit_holders(const FileId& file, Ticket after, const Visitor& visitor) const {
  const auto found = by_file_.find(file);
  if (found == by_file_.end()) return;
  const Lock& lock = *found->second;
  auto holder = lock.holders.upper_bound(after);
  while (holder != lock.holders.end() && visitor(*holder, lock.external)) ++holder;
}

std::optional<Ticket> Arbiter::ticket_of(SessionId session, Token token) const {
  const auto found = by_token_.find({session, token});
  if (found == by_token_.end() || !found->second->held) return std::nullopt;
  return found->second->ticket;
}

bool Arbiter::uses(SessionId session, Token token) const {
  return by_token_.contains({session, token});
}

void Arbiter::visit_session(SessionId session,
                            const std::function<void(const Entry&)>& visitor) const {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  for (const Record& record : found->second->records) visitor(record);
}

Arbiter::Counts Arbiter::counts() const {
  return {locks_.size(), holders_, records_.size() - holders_, grants_};
}

std::size_t Arbiter::holder_count(const FileId& file) const {
  const auto found = by_file_.find(file);
  return found == by_file_.end() ? 0 : found->second->holders.size();
}

std::size_t Arbiter::waiter_count(const FileId& file) const {
  const auto found = by_file_.find(file);
  return found == by_file_.end() ? 0 : found->second->queue.size();
}

std::size_t Arbiter::claim_count(SessionId session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? 0 : found->second->records.size();
}

Arbiter::Use Arbiter::use_of(UserId user) const {
  const auto found = users_.find(user);
  return found == users_.end() ? Use{} : found->second;
}

}  // namespace locketd
