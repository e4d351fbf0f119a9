// One client process's connection: bytes and descriptors in, lines out.
//
// Owned by Server, and by its own functions while they run; lives until the client's process ends
// (C8) or its connection does, whichever is first, unless the client asked to outlive the
// connection. One thread only.
//
// Invariants:
//  1. Nothing here blocks or takes long, and nothing grows without bound: a turn handles at most
//     kLinesAtOnce lines, the session is not read while the client does not read (kOutboxPause),
//     and ends when its unread answers reach kOutboxLimit (C15).
//  2. end() may come at any time, even from within drain(); afterwards nothing is handled or sent.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/arbiter.hpp"
#include "daemon/peer.hpp"
#include "daemon/watches.hpp"
#include "proto/descriptor.hpp"
#include "proto/framing.hpp"

namespace locketd {

class Dispatch;

// What a session needs from the server.
class SessionOwner {
 public:
  SessionOwner() = default;
  virtual ~SessionOwner() = default;
  SessionOwner(const SessionOwner&) = delete;
  SessionOwner& operator=(const SessionOwner&) = delete;

  virtual Dispatch& dispatch() = 0;
  virtual std::span<char> read_buffer() = 0;       // shared by all sessions; used within one call
  virtual void batch_done() = 0;                   // attend, flush, arm the timer
  virtual void queue_turn(SessionId session) = 0;  // take_turn(), after others have had theirs
  virtual void ended(SessionId session) = 0;
  virtual void close_socket(locket::proto::Descriptor socket, UserId user) = 0;  // never blocks
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // A line takes 1 to 10 µs, and what is read at once may be 65,536 empty ones.
  static constexpr int kLinesAtOnce = 32;
  static constexpr std::size_t kOutboxPause = 256 * 1024;
  // Enough for a client that is busy elsewhere while every request of its own is refused.
  static constexpr std::size_t kOutboxLimit = 16 * 1024 * 1024;

  // `watches` serves sessions that talk, `ends` those that end, which have turns of their own.
  // Without a socket, the client has become another program, and only its end is awaited.
  Session(SessionOwner& owner, Watches& watches, Watches& ends, SessionId id,
          locket::proto::Descriptor socket, Peer peer);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start();
  [[nodiscard]] const Peer& peer() const { return peer_; }

  // Whether it reads its answers more slowly than they come.
  [[nodiscard]] bool is_behind() const { return outbox_.size() - sent_ > kOutboxPause; }

  // Queues; the line goes out at the next flush().
  void send(std::string_view line);
  void flush();

  // Where what the client has said so far ends, in bytes from the beginning.
  [[nodiscard]] std::uint64_t said() const;
  // Where what has been handled of it ends.
  [[nodiscard]] std::uint64_t heard() const {
    return lines_left_ ? received_ - lines_.pending() : received_;
  }

  // Handles a portion of its input. True when it has handled all up to there.
  bool drain(std::uint64_t upto);

  // As asked for by queue_turn().
  void take_turn();
  void end();

  // Disposes of descriptors that came ahead of their requests. Must be called before this is
  // destroyed without end().
  void dispose_descriptors();
  void close_socket();

 private:
  void socket_ready(std::uint32_t events);
  void process_ended();
  void listen();
  void write_out();
  void clear_outbox();
  void go_on();
  bool hear();
  bool receive();
  void handle_lines();
  void count_descriptors();
  void forget_lost_descriptors();
  void handle_end_of_input();
  void violate(const locket::proto::Error& error);

  SessionOwner& owner_;
  const SessionId id_;
  const Peer peer_;
  locket::proto::Descriptor socket_;
  Watches& ends_;
  Watch connection_;
  Watch process_;  // peer_'s pidfd
  locket::proto::LineBuffer lines_;
  locket::proto::Descriptors descriptors_;
  std::string outbox_;
  std::size_t sent_ = 0;  // of the outbox
  std::uint64_t received_ = 0;
  std::optional<std::uint64_t> last_words_;  // the client reads no more, and is heard up to here
  bool queued_ = false;                      // for another turn
  bool lines_left_ = false;                  // for the next turn
  bool some_are_lost_ = false;               // of the descriptors that came with these lines
  bool writing_ = false;                     // waits for room in the socket
  bool overflowed_ = false;                  // an answer was dropped
  bool hung_up_ = false;  // the other end is gone; there may still be unread input
  bool input_over_ = false;
  bool ended_ = false;
};

}  // namespace locketd
