// Bytes to lines and back, over one connected socket: the lower half of connection.hpp.
//
// Shared by the Connection and the leader that polls it. Not thread-safe but for wait() and wake(),
// which touch nothing that changes: the leader sleeps in wait() while others send.
//
// Invariants:
//  1. Nothing blocks but wait().
//  2. Messages leave whole and in the order of send(): what the socket does not take stays in the
//     outbox, and nothing overtakes it.
//  3. A descriptor that waits in the outbox is a copy of its own, so that the caller may close his.

#pragma once

#include <cstddef>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/deadline.hpp"
#include "proto/descriptor.hpp"
#include "proto/errors.hpp"
#include "proto/framing.hpp"
#include "proto/messages.hpp"

namespace locket::client {

class Channel {
 public:
  // The daemon's longest line is a page of `list`; this is far above it and far below what hurts.
  static constexpr std::size_t kMaxReplyBytes = std::size_t{4} << 20;

  static std::expected<std::shared_ptr<Channel>, proto::Error> make(proto::Descriptor socket);

  // Sends what the socket takes and keeps the rest. Errc::limit_reached concerns this message
  // alone, which is dropped; after any other error the connection is of no use.
  std::expected<void, proto::Error> send(proto::RequestId id, std::string_view line,
                                         int descriptor);

  // Sends what was kept, as far as the socket takes it. An error that carries a request concerns
  // that one alone: it has been dropped, and one may go on.
  struct Undelivered {
    proto::Error error;
    std::optional<proto::RequestId> request;
  };
  std::expected<void, Undelivered> flush();

  // Takes back a message that has not begun to leave.
  bool withdraw(proto::RequestId id);

  [[nodiscard]] bool has_unsent() const { return !outbox_.empty(); }

  // Reads once; says whether that was all there is for now, or ever.
  enum class Intake { more, none, closed };
  std::expected<Intake, proto::Error> receive();

  // The next whole line among what was read; valid until the next receive() or next_line().
  std::expected<std::optional<std::string_view>, proto::Error> next_line() { return lines_.next(); }

  // Sleeps until there is something to read (or room to write), wake() is called, or `until`.
  void wait(TimePoint until, bool to_write) const;
  void wake() const;

 private:
  struct Message {
    proto::RequestId id = 0;
    std::string bytes;  // what is left of it
    bool begun = false;
    proto::Descriptor descriptor;  // to go with the first byte
  };

  Channel(proto::Descriptor socket, proto::Descriptor alarm);
  std::expected<std::size_t, proto::Error> try_send(std::string_view bytes, int descriptor) const;

  const proto::Descriptor socket_;
  const proto::Descriptor alarm_;  // an eventfd(2)
  std::deque<Message> outbox_;
  proto::LineBuffer lines_{kMaxReplyBytes};
};

}  // namespace locket::client
