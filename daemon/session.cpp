#include "daemon/session.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <exception>
#include <utility>

#include "daemon/dispatch.hpp"
#include "proto/limits.hpp"
#include "proto/transport.hpp"

namespace locketd {

namespace asio = boost::asio;
namespace proto = locket::proto;

namespace {

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

// What escapes a coroutine ends the daemon, which is loud and loses nothing (C9); swallowed, it
// would leave a session, or its locks, in the middle of something.
void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

// Of the kernel's, which passes: no reason to end a session and unlock what it holds.
bool lacks_memory(const proto::Error& error) {
  return error.os_error == ENOBUFS || error.os_error == ENOMEM;
}

}  // namespace

Session::Session(SessionOwner& owner, SessionId id, Socket socket, Peer peer)
    : owner_(owner),
      id_(id),
      peer_(std::move(peer)),
      socket_(std::move(socket)),
      process_(socket_.get_executor()),
      lines_(proto::kMaxLineBytes) {}

// Both have the pidfd; peer_ closes it.
Session::~Session() {
  if (process_.is_open()) std::ignore = process_.release();
}

void Session::start() {
  const auto spawn = [this](Awaitable<void> coroutine) {
    asio::co_spawn(socket_.get_executor(), std::move(coroutine), rethrow);
  };
  input_over_ = !socket_.is_open();
  if (!input_over_) spawn(read_loop());
  if (peer_.process) {
    process_.assign(peer_.process.get());
    spawn(watch_process());
  }
}

void Session::send(std::string line) {
  if (ended_ || !socket_.is_open()) return;
  if (outbox_.size() - sent_ > kOutboxLimit) {
    overflowed_ = true;  // flush() ends it: here would be in the middle of somebody's request
    return;
  }
  if (outbox_.empty()) {
    outbox_ = std::move(line);
  } else {
    outbox_ += line;
  }
}

void Session::flush() {
  if (ended_) return;
  if (overflowed_) {
    owner_.dispatch().giving_up(id_, "it does not read its answers");
    end();
    return;
  }
  if (writing_ || outbox_.empty()) return;
  const auto sent =
      proto::try_send(socket_.native_handle(), std::string_view(outbox_).substr(sent_), -1);
  if (!sent && !lacks_memory(sent.error())) {
    drain();  // what it released before it ended was not taken from it
    if (!input_over_) handle_end_of_input();
    return;
  }
  sent_ += sent.value_or(0);
  if (sent_ == outbox_.size()) {
    outbox_.clear();
    sent_ = 0;
  } else {
    // A client that always lags behind a little must not make it grow for ever.
    if (sent_ > outbox_.size() / 2) {
      outbox_.erase(0, sent_);
      sent_ = 0;
    }
    writing_ = true;
    asio::co_spawn(socket_.get_executor(), write_loop(), rethrow);
  }
}

void Session::drain() {
  int there = 0;  // a client who goes on talking is heard no further than this
  if (!input_over_) ::ioctl(socket_.native_handle(), FIONREAD, &there);
  for (std::size_t heard = 0; !input_over_ && !ended_;) {
    const std::size_t bytes = receive();
    heard += bytes;
    if (bytes == 0 || heard >= static_cast<std::size_t>(there)) break;
  }
  if (!ended_ && has_ended(peer_)) end();
}

void Session::end() {
  if (std::exchange(ended_, true)) return;
  const auto self = shared_from_this();
  dispose_descriptors();
  owner_.ended(id_);  // which unlocks, before the client can notice
  close_socket();
  if (process_.is_open()) std::ignore = process_.release();  // peer_ closes it
}

void Session::close_socket() {
  if (!socket_.is_open()) return;
  boost::system::error_code ignored;
  owner_.close_socket(proto::Descriptor(socket_.release(ignored)), peer_.uid);
}

void Session::dispose_descriptors() {
  owner_.dispatch().dispose(id_, descriptors_);
}

Session::Awaitable<void> Session::read_loop() {
  const auto self = shared_from_this();
  while (!ended_ && !input_over_) {
    const bool paused = is_behind();
    const auto wait = paused ? Socket::wait_write : Socket::wait_read;
    const auto [error] = co_await socket_.async_wait(wait, kNoThrow);
    if (error || ended_) break;
    if (paused) continue;
    receive();
    owner_.batch_done();
  }
}

Session::Awaitable<void> Session::write_loop() {
  const auto self = shared_from_this();
  const auto [error] = co_await socket_.async_wait(Socket::wait_write, kNoThrow);
  writing_ = false;
  if (error) co_return;
  flush();
  owner_.batch_done();  // if that ended the session, others have its locks now
}

Session::Awaitable<void> Session::watch_process() {
  const auto self = shared_from_this();
  const auto [error] =
      co_await process_.async_wait(asio::posix::stream_descriptor::wait_read, kNoThrow);
  if (error || ended_) co_return;
  drain();  // what it released before it ended was not taken from it; and ends the session
  owner_.batch_done();
}

// How many bytes came: none when there are none, or will be none.
std::size_t Session::receive() {
  const auto buffer = owner_.read_buffer();
  const auto received = proto::try_receive(socket_.native_handle(), buffer, descriptors_);
  if (!received && lacks_memory(received.error())) return 0;
  if (!received || received->closed) {
    handle_end_of_input();
    return 0;
  }
  if (received->bytes == 0) return 0;
  lines_.append({buffer.data(), received->bytes});
  // The request of the first one that there was no room for is refused (requested_file.hpp).
  if (received->truncated) descriptors_.emplace_back();
  handle_lines();
  return received->bytes;
}

void Session::handle_lines() {
  for (;;) {
    const auto line = lines_.next();
    if (!line) return violate(line.error());
    if (!*line) break;
    if (const auto served = owner_.dispatch().received(id_, **line, descriptors_); !served) {
      return violate(served.error());
    }
    if (ended_) return;
  }
  // A line that has begun may have its descriptor already, and others of the same message's.
  if (descriptors_.size() > (lines_.partial() ? proto::kMaxDescriptorsAhead : 0)) {
    violate({proto::Errc::invalid_request,
             fmt::format(
                 "{} descriptors came that no request takes: one goes with each acquire or reclaim",
                 descriptors_.size())});
  } else if (const auto few = owner_.dispatch().came_ahead(id_, descriptors_.size()); !few) {
    violate(few.error());
  }
}

// A detached session goes on without its connection, until its process ends.
void Session::handle_end_of_input() {
  input_over_ = true;
  if (ended_) return;
  if (!owner_.dispatch().outlives_connection(id_)) {
    end();
    return;
  }
  close_socket();
  outbox_.clear();
  sent_ = 0;
}

void Session::violate(const proto::Error& error) {
  input_over_ = true;  // a client who does not read this is not listened to either
  owner_.dispatch().violated(id_, error);
  flush();
  end();
}

}  // namespace locketd
