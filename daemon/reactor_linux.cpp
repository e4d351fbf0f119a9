#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <span>
#include <system_error>
#include <tuple>
#include <utility>

#include "daemon/reactor.hpp"

namespace locketd {
namespace {

using locket::proto::Descriptor;

Descriptor made(int descriptor, const char* what) {
  if (descriptor >= 0) return Descriptor(descriptor);
  throw std::system_error(errno, std::generic_category(), what);
}

// How often it has been rung, or has expired, is nobody's concern.
void silence(const Descriptor& event) {
  std::uint64_t count = 0;
  std::ignore = ::read(event.get(), &count, sizeof count);
}

}  // namespace

bool Reactor::Watch::start(int descriptor, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = this}};
  if (::epoll_ctl(reactor_.epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  descriptor_ = descriptor;
  events_ = events;
  return true;
}

void Reactor::Watch::change(std::uint32_t events) {
  if (descriptor_ < 0 || std::exchange(events_, events) == events) return;
  epoll_event event{.events = events, .data = {.ptr = this}};
  ::epoll_ctl(reactor_.epoll_.get(), EPOLL_CTL_MOD, descriptor_, &event);
}

// Closing the descriptor would not do: what it stands for may be open elsewhere too.
void Reactor::Watch::stop() {
  if (descriptor_ < 0) return;
  ::epoll_ctl(reactor_.epoll_.get(), EPOLL_CTL_DEL, std::exchange(descriptor_, -1), nullptr);
  reactor_.forget(*this);
}

Reactor::Timer::Timer(Reactor& reactor, Task expired)
    : clock_(made(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create")),
      expired_(std::move(expired)),
      watch_(reactor, [this](std::uint32_t) {
        silence(clock_);
        expired_();
      }) {
  watch_.start(clock_.get(), EPOLLIN);
}

void Reactor::Timer::set(Monotonic when) {
  using std::chrono::nanoseconds;
  const nanoseconds since_boot = when.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec time{};
  time.it_value.tv_sec = static_cast<time_t>(seconds.count());
  time.it_value.tv_nsec = nanoseconds(since_boot - seconds).count();
  ::timerfd_settime(clock_.get(), TFD_TIMER_ABSTIME, &time, nullptr);
}

Reactor::Reactor()
    : epoll_(made(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      bell_(made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      bell_watch_(*this, [this](std::uint32_t) {
        silence(bell_);
        to_run_ = true;
      }) {
  bell_watch_.start(bell_.get(), EPOLLIN);
}

void Reactor::run() {
  thread_ = std::this_thread::get_id();
  while (!stopped_) {
    const int come =
        ::epoll_wait(epoll_.get(), at_hand_.data(), static_cast<int>(kAtOnce), to_run_ ? 0 : -1);
    next_ = 0;
    end_ = come < 0 ? 0 : static_cast<std::size_t>(come);
    while (next_ < end_ && !stopped_) {
      const epoll_event event = at_hand_[next_++];
      if (event.data.ptr == nullptr) continue;
      static_cast<Watch*>(event.data.ptr)->ready_(event.events);
    }
    if (std::exchange(to_run_, false)) run_posted();
  }
}

void Reactor::post(Task task) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(task));
  if (std::this_thread::get_id() == thread_) {
    to_run_ = true;
    return;
  }
  const std::uint64_t one = 1;
  std::ignore = ::write(bell_.get(), &one, sizeof one);
}

void Reactor::forget(const Watch& watch) {
  for (epoll_event& event : std::span(at_hand_).subspan(next_, end_ - next_)) {
    if (event.data.ptr == &watch) event.data.ptr = nullptr;
  }
}

// What these post comes after the descriptors that are ready by then.
void Reactor::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (const Task& task : tasks) {
    if (!stopped_) task();
  }
}

}  // namespace locketd
