#include "client/custody.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

#include "client/connection.hpp"
#include "client/herald.hpp"
#include "client/os_unlock.hpp"

namespace locket::client {

void release_hold(Hold hold, Connection& connection) {
  os_unlock(std::move(hold.claim->descriptor));
  if (!hold.lost) connection.notify(proto::Release{hold.token});
}

void lose_hold(proto::Token token, Custody& custody, Herald& herald) {
  Herald::Losses losses(1);  // allocate first: a loss is noted only once
  losses.front() = {custody.lose(token), token};
  herald.announce(std::move(losses));
}

void Custody::add(ClaimPtr& claim, proto::Token token) {
  const std::lock_guard lock(mutex_);
  // A token that is already here, which cannot happen as tokens strictly increase, changes nothing:
  // its second grant finds nothing to adopt.
  const auto [place, is_new] = holds_.try_emplace(token);
  if (is_new) place->second.hold = {std::move(claim), token, false, {}};
}

bool Custody::adopt(proto::Token token, Handle* owner) {
  const std::lock_guard lock(mutex_);
  const auto found = holds_.find(token);
  if (found == holds_.end()) return false;
  auto& [hold, whose] = found->second;
  if (hold.lost || whose != nullptr) return false;
  auto& owned = owner->tokens_;
  owned.insert(std::ranges::upper_bound(owned, token), token);  // may throw
  whose = owner;
  hold.thread = std::this_thread::get_id();
  return true;
}

std::optional<Hold> Custody::take(const Handle* owner) {
  const std::lock_guard lock(mutex_);
  return extract(find(owner));
}

std::optional<Hold> Custody::take(proto::FileId file) {
  const std::lock_guard lock(mutex_);
  return extract(find(file));
}

std::optional<Hold> Custody::take(proto::Token token) {
  const std::lock_guard lock(mutex_);
  const auto found = holds_.find(token);
  if (found == holds_.end() || found->second.owner != nullptr) return std::nullopt;
  return extract(found);
}

std::optional<proto::Token> Custody::peek(const Handle* owner) const {
  const std::lock_guard lock(mutex_);
  const auto found = find(owner);
  if (found == holds_.end()) return std::nullopt;
  return found->second.hold.lost ? 0 : found->first;
}

proto::Token Custody::peek(proto::FileId file) const {
  const std::lock_guard lock(mutex_);
  const auto found = find(file);
  return found != holds_.end() && !found->second.hold.lost ? found->first : 0;
}

std::vector<proto::Token> Custody::tokens() const {
  const std::lock_guard lock(mutex_);
  std::vector<proto::Token> tokens;
  for (const auto& [token, entry] : holds_) {
    if (!entry.hold.lost) tokens.push_back(token);
  }
  return tokens;
}

bool Custody::holds_any() const {
  const std::lock_guard lock(mutex_);
  return holds_.size() > lost_;
}

void Custody::with(proto::Token token, const std::function<void(const Hold&)>& look) const {
  const std::lock_guard lock(mutex_);
  const auto found = holds_.find(token);
  if (found != holds_.end() && !found->second.hold.lost) look(found->second.hold);
}

Custody::Handle* Custody::lose(proto::Token token) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = holds_.find(token);
  if (found == holds_.end() || std::exchange(found->second.hold.lost, true)) return nullptr;
  ++lost_;
  return found->second.owner;
}

void Custody::forget() {
  for (const auto& [token, entry] : holds_) {
    if (entry.owner != nullptr) entry.owner->tokens_.clear();
  }
  holds_.clear();  // closes, which unlocks nothing while the parent has its copies
  lost_ = 0;
}

// The calling thread's last one, else any thread's last one, else a lost one. A thread whose own
// hold was lost must learn so: it would release another thread's hold in its place.
Custody::Holds::const_iterator Custody::find(const Handle* owner) const {
  const auto thread = std::this_thread::get_id();
  auto other = holds_.end();
  auto lost = holds_.end();
  for (const proto::Token token : owner->tokens_ | std::views::reverse) {
    const auto found = holds_.find(token);
    const Hold& hold = found->second.hold;
    if (hold.thread == thread) return found;
    auto& first = hold.lost ? lost : other;
    if (first == holds_.end()) first = found;
  }
  return other != holds_.end() ? other : lost;
}

Custody::Holds::const_iterator Custody::find(proto::FileId file) const {
  auto lost = holds_.end();
  for (auto each = holds_.end(); each != holds_.begin();) {
    const auto& [hold, owner] = (--each)->second;
    if (owner == nullptr || hold.claim->file.id != file) continue;
    if (!hold.lost) return each;
    if (lost == holds_.end()) lost = each;
  }
  return lost;
}

std::optional<Hold> Custody::extract(Holds::const_iterator found) {
  if (found == holds_.end()) return std::nullopt;
  if (Handle* const owner = found->second.owner) {
    owner->tokens_.erase(std::ranges::lower_bound(owner->tokens_, found->first));
  }
  if (found->second.hold.lost) --lost_;
  return std::move(holds_.extract(found).mapped().hold);
}

}  // namespace locket::client
