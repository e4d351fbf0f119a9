#include <cerrno>
#include <span>
#include <system_error>
#include <utility>

#include "daemon/watches.hpp"

namespace locketd {

bool Watch::start(int descriptor, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = this}};
  if (::epoll_ctl(watches_.epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  descriptor_ = descriptor;
  events_ = events;
  return true;
}

void Watch::change(std::uint32_t events) {
  if (descriptor_ < 0 || std::exchange(events_, events) == events) return;
  epoll_event event{.events = events, .data = {.ptr = this}};
  ::epoll_ctl(watches_.epoll_.get(), EPOLL_CTL_MOD, descriptor_, &event);
}

// Closing the descriptor would not do: what it stands for may be open elsewhere too.
void Watch::stop() {
  if (descriptor_ < 0) return;
  ::epoll_ctl(watches_.epoll_.get(), EPOLL_CTL_DEL, std::exchange(descriptor_, -1), nullptr);
  watches_.forget(*this);
}

Watches::Watches() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

void Watches::serve() {
  const int come = ::epoll_wait(epoll_.get(), at_hand_.data(), static_cast<int>(kAtOnce), 0);
  next_ = 0;
  end_ = come < 0 ? 0 : static_cast<std::size_t>(come);
  while (next_ < end_) {
    const epoll_event event = at_hand_[next_++];
    if (event.data.ptr != nullptr) static_cast<Watch*>(event.data.ptr)->ready_(event.events);
  }
}

void Watches::forget(const Watch& watch) {
  for (epoll_event& event : std::span(at_hand_).subspan(next_, end_ - next_)) {
    if (event.data.ptr == &watch) event.data.ptr = nullptr;
  }
}

}  // namespace locketd
