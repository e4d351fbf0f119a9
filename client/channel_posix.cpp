#include <fcntl.h>
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

#include "client/channel.hpp"
#include "proto/transport.hpp"

namespace locket::client {
namespace {

proto::Error limit_error(std::string_view what, int error) {
  return {proto::Errc::limit_reached, fmt::format("{}: {}", what, std::strerror(error)), error};
}

}  // namespace

Channel::Channel(proto::Descriptor socket, proto::Descriptor alarm)
    : socket_(std::move(socket)), alarm_(std::move(alarm)) {}

std::expected<std::shared_ptr<Channel>, proto::Error> Channel::make(proto::Descriptor socket) {
  proto::Descriptor alarm(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!alarm) return std::unexpected(limit_error("cannot connect to locketd", errno));
  return std::shared_ptr<Channel>(new Channel(std::move(socket), std::move(alarm)));
}

// Like proto::try_send, but tells what the whole connection suffers from what only this message
// does.
std::expected<std::size_t, proto::Error> Channel::try_send(std::string_view bytes,
                                                           int descriptor) const {
  auto sent = proto::try_send(socket_.get(), bytes, descriptor);
  if (sent) return sent;
  switch (sent.error().os_error) {
    case ETOOMANYREFS:
      return std::unexpected(
          limit_error("too many descriptors are on their way to locketd already", ETOOMANYREFS));
    case ENOBUFS:
    case ENOMEM:
      return 0;  // as good as a full socket
    default:
      return sent;
  }
}

std::expected<void, proto::Error> Channel::send(proto::RequestId id, std::string_view line,
                                                int descriptor) {
  std::size_t sent = 0;
  if (outbox_.empty()) {
    const auto result = try_send(line, descriptor);
    if (!result) return std::unexpected(result.error());
    sent = *result;
    if (sent == line.size()) return {};
  }
  proto::Descriptor copy;
  if (sent == 0 && descriptor >= 0) {
    copy.reset(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!copy) return std::unexpected(limit_error("cannot keep the lock file open", errno));
  }
  outbox_.push_back({id, std::string(line.substr(sent)), sent > 0, std::move(copy)});
  return {};
}

std::expected<void, Channel::Undelivered> Channel::flush() {
  while (!outbox_.empty()) {
    Message& message = outbox_.front();
    const auto sent = try_send(message.bytes, message.descriptor.get());
    if (!sent) {
      Undelivered undelivered{sent.error(), std::nullopt};
      if (sent.error().code == proto::Errc::limit_reached) {
        undelivered.request = message.id;
        outbox_.pop_front();
      }
      return std::unexpected(std::move(undelivered));
    }
    if (*sent == 0) break;
    if (*sent == message.bytes.size()) {
      outbox_.pop_front();
      continue;
    }
    message.bytes.erase(0, *sent);
    message.begun = true;
    message.descriptor.reset();
  }
  return {};
}

bool Channel::withdraw(proto::RequestId id) {
  const auto found = std::ranges::find(outbox_, id, &Message::id);
  if (found == outbox_.end() || found->begun) return false;
  outbox_.erase(found);
  return true;
}

std::expected<Channel::Intake, proto::Error> Channel::receive() {
  std::array<char, 16384> buffer{};
  std::deque<proto::Descriptor> unwanted;  // a daemon sends none; closed here if it does
  const auto received = proto::try_receive(socket_.get(), buffer, unwanted);
  if (!received) return std::unexpected(received.error());
  if (received->closed) return Intake::closed;
  lines_.append({buffer.data(), received->bytes});
  return received->bytes == buffer.size() ? Intake::more : Intake::none;
}

void Channel::wait(TimePoint until, bool to_write) const {
  const short interest = to_write ? POLLIN | POLLOUT : POLLIN;
  std::array<pollfd, 2> sources{{{socket_.get(), interest, 0}, {alarm_.get(), POLLIN, 0}}};
  timespec timeout{};
  if (until != kNever) {
    const auto left = std::max(until - Clock::now(), Clock::duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timeout.tv_sec = static_cast<time_t>(seconds.count());
    timeout.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
  }
  // EINTR is a reason to look around as good as any other.
  ::ppoll(sources.data(), sources.size(), until == kNever ? nullptr : &timeout, nullptr);
  std::uint64_t count = 0;
  if (sources[1].revents != 0) std::ignore = ::read(alarm_.get(), &count, sizeof count);
}

void Channel::wake() const {
  const std::uint64_t one = 1;
  std::ignore = ::write(alarm_.get(), &one, sizeof one);
}

}  // namespace locket::client
