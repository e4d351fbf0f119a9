#include <cerrno>
#include <span>
#include <system_error>
#include <utility>

#include "daemon/watches.hpp"

namespace locketd {

bool Watch::start(int descriptor, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = this}};
  if (::epoll_ctl(watches_->epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  descriptor_ = descriptor;
  events_ = events;
  return true;
}

void Watch::change(std::uint32_t events) {
  if (descriptor_ < 0 || std::exchange(events_, events) == events) return;
  epoll_event event{.events = events, .data = {.ptr = this}};
  ::epoll_ctl(watches_->epoll_.get(), EPOLL_CTL_MOD, descriptor_, &event);
}

// Closing the descriptor would not be enough: what it refers to may be open elsewhere too.
void Watch::stop() {
  if (descriptor_ < 0) return;
  ::epoll_ctl(watches_->epoll_.get(), EPOLL_CTL_DEL, std::exchange(descriptor_, -1), nullptr);
  watches_->forget(*this);
}

bool Watch::move(Watches& other) {
  epoll_event event{.events = events_, .data = {.ptr = this}};
  if (::epoll_ctl(other.epoll_.get(), EPOLL_CTL_ADD, descriptor_, &event) != 0) return false;
  const int descriptor = descriptor_;
  stop();
  descriptor_ = descriptor;
  if (watches_->turns_ > 0) --watches_->turns_;
  watches_ = &other;
  return true;
}

Watches::Watches(std::size_t at_once) : epoll_(::epoll_create1(EPOLL_CLOEXEC)), at_hand_(at_once) {
  if (!epoll_) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

std::size_t Watches::serve(std::size_t most) {
  for (turns_ = 0; turns_ < most;) {
    const int come = ::epoll_wait(epoll_.get(), at_hand_.data(), static_cast<int>(most), 0);
    end_ = come < 0 ? 0 : static_cast<std::size_t>(come);
    for (next_ = 0; next_ < end_;) {
      const epoll_event event = at_hand_[next_++];
      if (event.data.ptr == nullptr) continue;
      ++turns_;
      static_cast<Watch*>(event.data.ptr)->ready_(event.events);
    }
    if (end_ < most) break;
  }
  return turns_;
}

void Watches::forget(const Watch& watch) {
  for (epoll_event& event : std::span(at_hand_).subspan(next_, end_ - next_)) {
    if (event.data.ptr == &watch) event.data.ptr = nullptr;
  }
}

}  // namespace locketd
