#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <thread>

#include "client/channel.hpp"
#include "proto/transport.hpp"

namespace locket::client {
namespace {

// A socket takes this much in one piece or not at all: half of SO_SNDBUF less 64 bytes. The
// kernel's minimum for SO_SNDBUF is 4608 (unix(7), SOCK_MIN_SNDBUF).
constexpr std::size_t kLeavesWhole = 2048;

// At most this many pieces: a thread that sends for others has its own answer to get to.
constexpr int kPiecesForOthers = 4;

}  // namespace

// One thread's turn to send without the mutex: `leaving` messages from the front of the outbox, or
// none of it.
class Channel::Turn {
 public:
  Turn(Channel& channel, Lock& lock, std::size_t leaving) : channel_(channel), lock_(lock) {
    channel_.sending_ = true;
    channel_.leaving_ = leaving;
    lock_.unlock();
  }
  ~Turn() {
    lock_.lock();
    channel_.sending_ = false;
    channel_.leaving_ = 0;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Channel& channel_;
  Lock& lock_;
};

// What is sent in one piece.
class Channel::Batch {
 public:
  explicit Batch(const Messages& messages) {
    std::size_t size = 0;
    for (const Message& message : messages) {
      size += message.bytes.size();
      if (count_ > 0 && (size > kLeavesWhole || count_ == pieces_.size())) break;
      pieces_[count_++] = message.bytes;
      if (message.descriptor >= 0) descriptors_[with_descriptor_++] = message.descriptor;
    }
  }

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] auto pieces() const { return std::span(pieces_).first(count_); }
  [[nodiscard]] auto descriptors() const { return std::span(descriptors_).first(with_descriptor_); }

 private:
  std::array<std::string_view, proto::kMaxPieces> pieces_;
  std::array<int, proto::kMaxPieces> descriptors_;
  std::size_t count_ = 0;
  std::size_t with_descriptor_ = 0;
};

Channel::Channel(proto::Descriptor socket, Alarm alarm)
    : socket_(std::move(socket)), alarm_(std::move(alarm)) {}

std::expected<std::shared_ptr<Channel>, proto::Error> Channel::make(proto::Descriptor socket) {
  auto alarm = Alarm::make();
  if (!alarm) return std::unexpected(std::move(alarm.error()));
  return std::shared_ptr<Channel>(new Channel(std::move(socket), std::move(*alarm)));
}

// Like proto::try_send, but treats a lack of room in the kernel as a full socket.
std::expected<std::size_t, proto::Error> Channel::push(std::span<const std::string_view> pieces,
                                                       std::span<const int> descriptors) {
  lacks_room_ = false;
  auto sent = proto::try_send(socket_.get(), pieces, descriptors);
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

std::expected<void, proto::Error> Channel::send(Lock& lock, proto::RequestId id,
                                                std::string_view line, int descriptor) {
  const auto sent = try_send_unlocked(lock, id, line, descriptor);
  if (!sent) return std::unexpected(sent.error());
  if (!*sent) keep(id, line, descriptor);
  return {};
}

// Only for a line that leaves whole or not at all: otherwise the rest would have to be kept, and
// the memory for that must be there first.
std::expected<bool, proto::Error> Channel::try_send_unlocked(Lock& lock, proto::RequestId id,
                                                             std::string_view line,
                                                             int descriptor) {
  if (sending_ || !outbox_.empty()) return false;
  if (line.size() > kLeavesWhole) return try_send(id, line, descriptor);
  const Turn turn(*this, lock, 0);
  const auto sent = push(line, descriptor);
  if (!sent) return std::unexpected(sent.error());
  return *sent > 0;
}

std::expected<void, proto::Error> Channel::send(proto::RequestId id, std::string_view line,
                                                int descriptor) {
  const auto sent = try_send(id, line, descriptor);
  if (!sent) return std::unexpected(sent.error());
  if (!*sent) keep(id, line, descriptor);
  return {};
}

void Channel::keep(proto::RequestId id, std::string_view line, int descriptor) {
  outbox_.push_back({id, std::string(line), false, descriptor});
}

std::expected<bool, proto::Error> Channel::try_send(proto::RequestId id, std::string_view line,
                                                    int descriptor) {
  if (sending_ || !outbox_.empty()) return false;
  // Once a line has begun to leave, the rest must be kept, so the memory for it must be there
  // first.
  if (line.size() > kLeavesWhole) outbox_.push_back({id, std::string(line), true});
  const auto sent = push(line, descriptor);
  if (!sent || *sent == 0 || *sent == line.size()) {
    outbox_.clear();
  } else {
    outbox_.front().bytes.erase(0, *sent);
  }
  if (!sent) return std::unexpected(sent.error());
  return *sent > 0;
}

std::expected<void, proto::Error> Channel::flush() {
  while (!sending_ && !outbox_.empty()) {
    const Batch batch(outbox_);
    const auto sent = push(batch.pieces(), batch.descriptors());
    if (!sent) return std::unexpected(sent.error());
    if (*sent == 0) break;
    drop_sent(*sent);
  }
  return {};
}

std::expected<bool, proto::Error> Channel::flush(Lock& lock) {
  for (int turns = 0; turns < kPiecesForOthers; ++turns) {
    if (sending_ || outbox_.empty()) return false;
    const Batch batch(outbox_);
    const auto sent = [&] {
      const Turn turn(*this, lock, batch.count());
      return push(batch.pieces(), batch.descriptors());
    }();
    if (!sent) return std::unexpected(sent.error());
    if (*sent == 0) return false;
    drop_sent(*sent);
  }
  return !outbox_.empty();
}

void Channel::drop_sent(std::size_t bytes) {
  while (bytes > 0) {
    Message& message = outbox_.front();
    if (bytes < message.bytes.size()) {
      message.bytes.erase(0, bytes);
      message.begun = true;
      message.descriptor = -1;
      return;
    }
    bytes -= message.bytes.size();
    outbox_.pop_front();
  }
}

bool Channel::is_leaving(proto::RequestId id) const {
  const auto last = std::next(outbox_.begin(), static_cast<std::ptrdiff_t>(leaving_));
  return std::ranges::find(outbox_.begin(), last, id, &Message::id) != last;
}

bool Channel::withdraw(proto::RequestId id) {
  const auto first = std::next(outbox_.begin(), static_cast<std::ptrdiff_t>(leaving_));
  const auto found = std::ranges::find(first, outbox_.end(), id, &Message::id);
  if (found == outbox_.end() || found->begun) return false;
  outbox_.erase(found);
  return true;
}

std::expected<Channel::Intake, proto::Error> Channel::receive() {
  std::array<char, 2048> buffer;  // usually for one line; small, to touch few stack pages
  lines_.reserve(buffer.size());  // first: bytes once received cannot be read again
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

void Channel::shut_down() const {
  ::shutdown(socket_.get(), SHUT_RDWR);
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
