#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <tuple>

#include "client/alarm.hpp"

namespace locket::client {

std::expected<Alarm, proto::Error> Alarm::make() {
  auto event =
      proto::above_standard_streams(proto::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
  if (event) return Alarm(std::move(event));
  return std::unexpected(
      proto::Error{proto::Errc::limit_reached,
                   fmt::format("cannot connect to locketd: {}", std::strerror(errno)), errno});
}

void Alarm::ring() const {
  const std::uint64_t one = 1;
  std::ignore = ::write(event_.get(), &one, sizeof one);
}

bool Alarm::sleep(int socket, Interest interest, TimePoint until) const {
  short events = POLLRDHUP;
  if (interest.read) events |= POLLIN;
  if (interest.write) events |= POLLOUT;
  std::array<pollfd, 2> sources{{{socket, events, 0}, {event_.get(), POLLIN, 0}}};
  timespec timeout{};
  if (until != kNever) {
    const auto left = std::max(until - Clock::now(), Clock::duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timeout.tv_sec = static_cast<time_t>(seconds.count());
    timeout.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
  }
  // EINTR is as good a reason to look around as any.
  const timespec* const most = until == kNever ? nullptr : &timeout;
  const bool came = ::ppoll(sources.data(), sources.size(), most, nullptr) > 0;
  std::uint64_t count = 0;
  if (sources[1].revents != 0) std::ignore = ::read(event_.get(), &count, sizeof count);
  return came;
}

}  // namespace locket::client
