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
  return {take(place), soon && now >= place.barred_until_, forks_};
}

Parking::Put Parking::put(Place& place, ParkedFile& file, std::uint64_t forks) noexcept try {
  const std::lock_guard lock(mutex_);
  if (place.file_ || forks != forks_ || taken_.size() == proto::kMaxParkedFiles)
    return Put::refused;
  taken_.push_back(&place);
  place.file_ = std::move(file);
  place.idle_ = false;
  return std::exchange(watched_, true) ? Put::parked : Put::parked_first;
} catch (const std::bad_alloc&) {
  return Put::refused;
}

void Parking::bar(Place& place, TimePoint now) {
  const std::lock_guard lock(mutex_);
  place.barred_until_ = now + kBarred;
}

std::optional<ParkedFile> Parking::empty(Place& place) {
  const std::lock_guard lock(mutex_);
  return take(place);
}

bool Parking::close_idle(const std::function<void(const ParkedFile&)>& show) {
  const std::lock_guard lock(mutex_);
  for (auto next = taken_.begin(); next != taken_.end();) {
    Place& place = **next;
    if (!std::exchange(place.idle_, true)) {
      ++next;
      continue;
    }
    show(*place.file_);
    place.file_.reset();
    next = taken_.erase(next);
  }
  return watched_ = !taken_.empty();
}

void Parking::forget() {
  for (Place* const place : taken_) place->file_.reset();
  taken_.clear();
  watched_ = false;
}

std::optional<ParkedFile> Parking::take(Place& place) {
  if (place.file_) std::erase(taken_, &place);
  return std::exchange(place.file_, std::nullopt);
}

}  // namespace locket::client
