// Bytes to lines and back, over one connected socket: the lower half of connection.hpp.
//
// Shared by the Connection and the leader that polls it. Under the connection's mutex, but for
// wait() and wake(), which touch nothing that the others do: the leader sleeps in wait() while
// others send. Who sends gives the mutex up meanwhile where it is handed to send() or flush().
//
// Invariants:
//  1. Nothing blocks but wait() and watch().
//  2. Messages leave whole and in the order of send(): what the socket does not take stays in the
//     outbox, and nothing overtakes it. One thread at a time sends.
//  3. A descriptor that waits in the outbox is a copy of its own, so that the caller may close his.

#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <expected>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "client/alarm.hpp"
#include "client/deadline.hpp"
#include "proto/adaptive_spin.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"
#include "proto/framing.hpp"
#include "proto/messages.hpp"

namespace locket::client {

class Channel {
 public:
  // The daemon's longest line is a page of `list`; this is far above it and far below what hurts.
  static constexpr std::size_t kMaxReplyBytes = std::size_t{4} << 20;

  // When to try again what the kernel has no room for now, of which no socket event tells: too many
  // descriptors on their way (ETOOMANYREFS, unix(7)), or no memory.
  static constexpr std::chrono::milliseconds kNoRoomPause{10};

  static std::expected<std::shared_ptr<Channel>, proto::Error> make(proto::Descriptor socket);

  using Lock = std::unique_lock<std::mutex>;

  // Sends what the socket takes and keeps the rest. Errc::limit_reached concerns this message
  // alone, which is dropped; after any other error the connection is of no use.
  std::expected<void, proto::Error> send(proto::RequestId id, std::string_view line,
                                         int descriptor);

  // The same, with the mutex given up while the kernel has it. What others send meanwhile is kept;
  // the caller sees to it by flush().
  std::expected<void, proto::Error> send(Lock& lock, proto::RequestId id, std::string_view line,
                                         int descriptor);

  // Sends only what begins to leave at once, so that no copy of the descriptor is needed. False:
  // not now.
  std::expected<bool, proto::Error> try_send(proto::RequestId id, std::string_view line,
                                             int descriptor);

  // Sends what was kept, as far as the socket takes it. After an error the connection is of no use.
  std::expected<void, proto::Error> flush();

  // The same, with the mutex given up while the kernel has it; not without end, where others go on
  // adding to it. True: there is more, and the socket may take it.
  std::expected<bool, proto::Error> flush(Lock& lock);

  // A thread is in send() or flush() without the mutex, and will flush what others add meanwhile.
  [[nodiscard]] bool is_sending() const { return sending_; }

  // Takes back a message that has not begun to leave.
  bool withdraw(proto::RequestId id);

  [[nodiscard]] bool has_unsent() const { return !outbox_.empty(); }

  // The kernel had no room for what is unsent: poll(2) would say that the socket is writable.
  [[nodiscard]] bool lacks_room() const { return lacks_room_; }

  // Reads once; says whether that was all there is for now, or ever.
  enum class Intake { more, none, closed };
  std::expected<Intake, proto::Error> receive();

  // The next whole line among what was read; valid until the next receive() or next_line().
  std::expected<std::optional<std::string_view>, proto::Error> next_line() {
    put_back_ = false;
    return lines_.next();
  }

  // It was not to be understood now, for want of memory: it comes again.
  void put_line_back() {
    lines_.put_back();
    put_back_ = true;
  }

  // A line was put back, and has not come again: poll(2) knows nothing of it.
  [[nodiscard]] bool has_line_put_back() const { return put_back_; }

  // Sleeps until there is something to read (or room to write), wake() is called, or `until`. One
  // thread at a time.
  void wait(TimePoint until, bool to_write);
  void wake() const { alarm_.ring(); }

  // In a forked child: closes what others still share.
  void close();

  // Sleeps on another alarm until the other end hangs up, or what else is of interest.
  void watch(const Alarm& alarm, Alarm::Interest interest, TimePoint until) const;

 private:
  struct Message {
    proto::RequestId id = 0;
    std::string bytes;  // what is left of it
    bool begun = false;
    proto::Descriptor descriptor;  // to go with the first byte
  };
  using Messages = std::list<Message>;

  class Turn;
  class Batch;

  Channel(proto::Descriptor socket, Alarm alarm);
  std::expected<bool, proto::Error> try_send_unlocked(Lock& lock, proto::RequestId id,
                                                      std::string_view line, int descriptor);
  std::expected<void, proto::Error> keep(proto::RequestId id, std::string_view line,
                                         int descriptor);
  std::expected<std::size_t, proto::Error> push(std::span<const std::string_view> pieces,
                                                std::span<const int> descriptors);
  std::expected<std::size_t, proto::Error> push(std::string_view line, int descriptor) {
    return push({&line, 1}, {&descriptor, descriptor >= 0 ? 1U : 0U});
  }
  void drop_sent(std::size_t bytes);

  proto::Descriptor socket_;
  Alarm alarm_;
  proto::AdaptiveSpin spin_;  // of who is in wait()
  Messages outbox_;
  bool sending_ = false;                  // see is_sending()
  std::size_t leaving_ = 0;               // so many of the outbox's first ones are with the kernel
  std::atomic<bool> lacks_room_ = false;  // written without the mutex
  proto::LineBuffer lines_{kMaxReplyBytes};
  bool put_back_ = false;
};

}  // namespace locket::client
