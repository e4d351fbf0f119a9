#include "client/custody.hpp"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>

#include "client/os_unlock.hpp"

namespace locket::client {

void release_hold(Hold hold, Connection& connection) {
  os_unlock(std::move(hold.descriptor));
  connection.notify(hold.session, proto::Release{hold.token});
}

void Custody::add(Owner owner, Hold hold) {
  const std::lock_guard lock(mutex_);
  holds_.emplace(owner, std::move(hold));
}

std::optional<Hold> Custody::take(Owner owner) {
  const std::lock_guard lock(mutex_);
  return extract(find(owner));
}

std::optional<Hold> Custody::take(proto::FileId file) {
  const std::lock_guard lock(mutex_);
  return extract(find(file));
}

proto::Token Custody::peek(Owner owner) const {
  const std::lock_guard lock(mutex_);
  const auto found = find(owner);
  return found != holds_.end() ? found->second.token : 0;
}

proto::Token Custody::peek(proto::FileId file) const {
  const std::lock_guard lock(mutex_);
  const auto found = find(file);
  return found != holds_.end() ? found->second.token : 0;
}

Custody::Holds::const_iterator Custody::find(Owner owner) const {
  const auto [first, end] = holds_.equal_range(owner);
  if (first == end) return holds_.end();
  const auto thread = std::this_thread::get_id();
  for (auto hold = end; hold != first;) {
    if ((--hold)->second.thread == thread) return hold;
  }
  return std::prev(end);
}

Custody::Holds::const_iterator Custody::find(proto::FileId file) const {
  return std::ranges::find(holds_, file, [](const auto& entry) { return entry.second.file; });
}

std::optional<Hold> Custody::extract(Holds::const_iterator found) {
  if (found == holds_.end()) return std::nullopt;
  return std::move(holds_.extract(found).mapped());
}

}  // namespace locket::client
