#include "client/parking.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "proto/limits.hpp"

namespace locket::client {

Parking::Beginning Parking::begin(Place& place, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const bool soon = place.last_ && now - *place.last_ < kSoon;
  place.last_ = now;
  place.idle_ = false;
  const bool park = soon && !place.barred_ && enlist(place);
  return {std::exchange(place.file_, std::nullopt), park};
}

bool Parking::put(Place& place, ParkedFile& file) noexcept try {
  const std::lock_guard lock(mutex_);
  if (place.file_ || place.barred_ || !enlist(place)) return false;
  place.file_ = std::move(file);
  place.idle_ = false;
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

void Parking::bar(Place& place) {
  const std::lock_guard lock(mutex_);
  place.barred_ = true;
}

std::optional<ParkedFile> Parking::empty(Place& place) {
  const std::lock_guard lock(mutex_);
  if (place.listed_) strike(place);
  return std::exchange(place.file_, std::nullopt);
}

bool Parking::close_idle(const std::function<void(const ParkedFile&)>& show) {
  const std::lock_guard lock(mutex_);
  for (auto next = listed_.begin(); next != listed_.end();) {
    Place& place = **next;
    if (!std::exchange(place.idle_, true)) {
      ++next;
      continue;
    }
    if (place.file_) show(*place.file_);
    place.file_.reset();
    place.listed_ = false;
    next = listed_.erase(next);
  }
  return !listed_.empty();
}

void Parking::forget() {
  for (Place* const place : listed_) {
    place->file_.reset();
    place->listed_ = false;
  }
  listed_.clear();
}

bool Parking::enlist(Place& place) {
  if (place.listed_) return true;
  if (listed_.size() == proto::kMaxParkedFiles) return false;
  listed_.push_back(&place);
  place.listed_ = true;
  return true;
}

void Parking::strike(Place& place) {
  std::erase(listed_, &place);
  place.listed_ = false;
}

}  // namespace locket::client
