// Bytes to lines and back, over one connected socket: the lower half of connection.hpp.
//
// Shared by the Connection and the leader that polls it. Everything runs under the connection's
// mutex except wait(), watch() and wake(), which touch nothing that the other functions change: the
// leader sleeps in wait() while others send. The overloads of send() and flush() that take the lock
// release it during the system call.
//
// Invariants:
//  1. Nothing blocks except wait() and watch().
//  2. Messages leave whole and in the order of send(): what the socket does not take stays in the
//     outbox, and nothing overtakes it. One thread at a time sends.
//  3. A descriptor that waits in the outbox stays the caller's, who keeps it open until its message
//     has left or is withdrawn.

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
  // The daemon's longest line is a page of `list`; this is far above that and far below a harmful
  // size.
  static constexpr std::size_t kMaxReplyBytes = std::size_t{4} << 20;

  // When to retry if the kernel has no room for a message now, which no socket event reports: too
  // many descriptors in flight (ETOOMANYREFS, unix(7)), or no memory.
  static constexpr std::chrono::milliseconds kNoRoomPause{10};

  static std::expected<std::shared_ptr<Channel>, proto::Error> make(proto::Descriptor socket);

  using Lock = std::unique_lock<std::mutex>;

  // Sends what the socket takes and keeps the rest. After an error the connection is unusable.
  std::expected<void, proto::Error> send(proto::RequestId id, std::string_view line,
                                         int descriptor);

  // The same, but releases the mutex during the system call. What others send meanwhile is kept;
  // the caller must flush() it.
  std::expected<void, proto::Error> send(Lock& lock, proto::RequestId id, std::string_view line,
                                         int descriptor);

  // Sends only a message that can start to leave at once. False: not now.
  std::expected<bool, proto::Error> try_send(proto::RequestId id, std::string_view line,
                                             int descriptor);

  // Sends what was kept, as far as the socket takes it. After an error the connection is unusable.
  std::expected<void, proto::Error> flush();

  // The same, but releases the mutex during the system call, and stops after a while if others keep
  // adding messages. True: there is more, and the socket may take it.
  std::expected<bool, proto::Error> flush(Lock& lock);

  // A thread is in send() or flush() without the mutex, and will flush what others add meanwhile.
  [[nodiscard]] bool is_sending() const { return sending_; }

  // A thread is sending it without the mutex.
  [[nodiscard]] bool is_leaving(proto::RequestId id) const;

  // Takes back a message that has not begun to leave.
  bool withdraw(proto::RequestId id);

  [[nodiscard]] bool has_unsent() const { return !outbox_.empty(); }

  // The kernel had no room for what is unsent, although poll(2) would report the socket writable.
  [[nodiscard]] bool lacks_room() const { return lacks_room_; }

  // Reads once; tells whether there may be more, nothing more for now, or nothing ever again.
  enum class Intake { more, none, closed };
  std::expected<Intake, proto::Error> receive();

  // The next complete line of what was read; valid until the next receive() or next_line().
  std::expected<std::optional<std::string_view>, proto::Error> next_line() {
    put_back_ = false;
    return lines_.next();
  }

  // The line could not be decoded now for lack of memory: next_line() returns it again.
  void put_line_back() {
    lines_.put_back();
    put_back_ = true;
  }

  // A line was put back and has not been read again; poll(2) does not report it.
  [[nodiscard]] bool has_line_put_back() const { return put_back_; }

  // Sleeps until there is something to read (or room to write), wake() is called, or `until`. One
  // thread at a time.
  void wait(TimePoint until, bool to_write);
  void wake() const { alarm_.ring(); }

  // Nothing is sent any more, not even by a thread that is about to: descriptors that wait in the
  // outbox need not stay open.
  void shut_down() const;

  // In a forked child: closes the descriptors, although others still share this object.
  void close();

  // Sleeps on another alarm until the other end hangs up or an event of `interest` occurs.
  void watch(const Alarm& alarm, Alarm::Interest interest, TimePoint until) const;

 private:
  struct Message {
    proto::RequestId id = 0;
    std::string bytes;  // what is still to be sent
    bool begun = false;
    int descriptor = -1;  // to go with the first byte
  };
  using Messages = std::list<Message>;

  class Turn;
  class Batch;

  Channel(proto::Descriptor socket, Alarm alarm);
  std::expected<bool, proto::Error> try_send_unlocked(Lock& lock, proto::RequestId id,
                                                      std::string_view line, int descriptor);
  void keep(proto::RequestId id, std::string_view line, int descriptor);
  std::expected<std::size_t, proto::Error> push(std::span<const std::string_view> pieces,
                                                std::span<const int> descriptors);
  std::expected<std::size_t, proto::Error> push(std::string_view line, int descriptor) {
    return push({&line, 1}, {&descriptor, descriptor >= 0 ? 1U : 0U});
  }
  void drop_sent(std::size_t bytes);

  proto::Descriptor socket_;
  Alarm alarm_;
  proto::AdaptiveSpin spin_;  // of the thread in wait()
  Messages outbox_;
  bool sending_ = false;     // see is_sending()
  std::size_t leaving_ = 0;  // messages at the outbox's front that are in a system call
  std::atomic<bool> lacks_room_ = false;  // written without the mutex
  proto::LineBuffer lines_{kMaxReplyBytes};
  bool put_back_ = false;
};

}  // namespace locket::client
