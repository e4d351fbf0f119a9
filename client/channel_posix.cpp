#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "client/channel.hpp"
#include "proto/transport.hpp"

namespace locket::client {
namespace {

// A socket takes a page in one piece, or not at all.
constexpr std::size_t kLeavesWhole = 4096;

}  // namespace

Channel::Channel(proto::Descriptor socket, Alarm alarm)
    : socket_(std::move(socket)), alarm_(std::move(alarm)) {}

std::expected<std::shared_ptr<Channel>, proto::Error> Channel::make(proto::Descriptor socket) {
  auto alarm = Alarm::make();
  if (!alarm) return std::unexpected(std::move(alarm.error()));
  return std::shared_ptr<Channel>(new Channel(std::move(socket), std::move(*alarm)));
}

// Like proto::try_send, but takes it for a full socket when the kernel has no room.
std::expected<std::size_t, proto::Error> Channel::push(std::string_view bytes, int descriptor) {
  lacks_room_ = false;
  auto sent = proto::try_send(socket_.get(), bytes, descriptor);
  if (sent) return sent;
  switch (sent.error().os_error) {
    case ETOOMANYREFS:
    case ENOBUFS:
    case ENOMEM:
      lacks_room_ = true;
      return 0;
    default:
      return sent;
  }
}

std::expected<void, proto::Error> Channel::send(proto::RequestId id, std::string_view line,
                                                int descriptor) {
  const auto sent = try_send(id, line, descriptor);
  if (!sent) return std::unexpected(sent.error());
  if (*sent) return {};
  proto::Descriptor copy;
  if (descriptor >= 0) {
    copy.reset(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!copy) {
      return std::unexpected(proto::Error{
          proto::Errc::limit_reached,
          fmt::format("cannot keep the lock file open: {}", std::strerror(errno)), errno});
    }
  }
  outbox_.push_back({id, std::string(line), false, std::move(copy)});
  return {};
}

std::expected<bool, proto::Error> Channel::try_send(proto::RequestId id, std::string_view line,
                                                    int descriptor) {
  if (!outbox_.empty()) return false;
  // What begins to leave must be kept to its end, and there must be memory for that first.
  if (line.size() > kLeavesWhole) outbox_.push_back({id, std::string(line), true, {}});
  const auto sent = push(line, descriptor);
  const bool begun = sent && *sent > 0 && *sent < line.size();
  if (begun && outbox_.empty()) outbox_.push_back({id, std::string(line), true, {}});
  if (begun) {
    outbox_.front().bytes.erase(0, *sent);
  } else {
    outbox_.clear();
  }
  if (!sent) return std::unexpected(sent.error());
  return *sent > 0;
}

std::expected<void, proto::Error> Channel::flush() {
  while (!outbox_.empty()) {
    Message& message = outbox_.front();
    const auto sent = push(message.bytes, message.descriptor.get());
    if (!sent) return std::unexpected(sent.error());
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
  std::array<char, 2048> buffer;  // for one line, mostly: few pages of the stack are touched
  lines_.reserve(buffer.size());  // what has been read, nobody could read again
  const auto received = proto::try_receive(socket_.get(), buffer);
  if (!received) return std::unexpected(received.error());
  if (received->closed) return Intake::closed;
  lines_.append({buffer.data(), received->bytes});
  return received->bytes == buffer.size() ? Intake::more : Intake::none;
}

void Channel::wait(TimePoint until, bool to_write) {
  const Alarm::Interest interest{true, to_write};
  const auto look = [&] { return alarm_.sleep(socket_.get(), interest, TimePoint()); };
  if (!spin_(look)) alarm_.sleep(socket_.get(), interest, until);
}

void Channel::close() {
  socket_.reset();
  alarm_.close();
  outbox_.clear();
}

void Channel::watch(const Alarm& alarm, Alarm::Interest interest, TimePoint until) const {
  alarm.sleep(socket_.get(), interest, until);
}

}  // namespace locket::client
