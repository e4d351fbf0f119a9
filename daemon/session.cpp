#include "daemon/session.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/dispatch.hpp"
#include "proto/limits.hpp"
#include "proto/transport.hpp"

namespace locketd {

namespace proto = locket::proto;

namespace {

// The kernel's shortage passes: no reason to end a session and unlock what it holds.
bool lacks_memory(const proto::Error& error) {
  return error.os_error == ENOBUFS || error.os_error == ENOMEM;
}

}  // namespace

Session::Session(SessionOwner& owner, Watches& watches, Watches& ends, SessionId id,
                 proto::Descriptor socket, Peer peer)
    : owner_(owner),
      id_(id),
      peer_(std::move(peer)),
      socket_(std::move(socket)),
      ends_(ends),
      connection_(watches, [this](std::uint32_t events) { socket_ready(events); }),
      process_(ends, [this](std::uint32_t) { process_ended(); }),
      lines_(proto::kMaxLineBytes) {}

void Session::start() {
  input_over_ = !socket_;
  if (!input_over_) connection_.start(socket_.get(), EPOLLIN);
  if (peer_.process) process_.start(peer_.process.get(), EPOLLIN);
}

void Session::send(std::string_view line) {
  if (ended_ || !socket_ || last_words_) return;
  if (outbox_.size() - sent_ > kOutboxLimit) {
    overflowed_ = true;  // flush() ends it: here, another session's request may be under way
    return;
  }
  outbox_ += line;
}

void Session::flush() {
  if (ended_) return;
  if (overflowed_) {
    owner_.dispatch().giving_up(id_, "it does not read its answers");
    end();
    return;
  }
  if (!writing_ && !outbox_.empty()) write_out();
  if (!ended_) listen();
}

void Session::write_out() {
  const auto sent = proto::try_send(socket_.get(), std::string_view(outbox_).substr(sent_), -1);
  if (!sent && !lacks_memory(sent.error())) {
    // A lock that it released before must not count as taken away.
    if (!last_words_) last_words_ = said();
    clear_outbox();
    return;
  }
  sent_ += sent.value_or(0);
  if (sent_ == outbox_.size()) return clear_outbox();
  // A client that always lags a little must not make the outbox grow for ever.
  if (sent_ > outbox_.size() / 2) {
    outbox_.erase(0, sent_);
    sent_ = 0;
  }
  writing_ = true;
}

void Session::clear_outbox() {
  sent_ = 0;
  outbox_.clear();
  if (outbox_.capacity() > kOutboxPause) outbox_.shrink_to_fit();
}

// A client that does not read is not read from.
void Session::listen() {
  const bool go_on = lines_left_ || last_words_;
  std::uint32_t events = 0;
  if (!is_behind() && !go_on) events |= EPOLLIN;
  if (writing_) events |= EPOLLOUT;
  connection_.change(events);
  if (go_on && !is_behind() && !input_over_ && !std::exchange(queued_, true)) {
    owner_.queue_turn(id_);
  }
}

std::uint64_t Session::said() const {
  int there = 0;
  if (!input_over_) ::ioctl(socket_.get(), FIONREAD, &there);
  return received_ + static_cast<std::uint64_t>(there);
}

bool Session::drain(std::uint64_t upto) {
  const bool more = !ended_ && !input_over_ && hear();
  if (ended_) return true;
  bool all = !more || heard() >= upto;
  if (all && has_ended(peer_)) {
    // Now, and not when `upto` was asked for, nobody says more.
    if (!last_words_) last_words_ = said();
    all = !more || heard() >= *last_words_;
    if (all) end();
  }
  if (!ended_) listen();
  return all;
}

void Session::end() {
  if (std::exchange(ended_, true)) return;
  const auto self = shared_from_this();
  dispose_descriptors();
  owner_.ended(id_);  // unlocks, before the client can notice the end
  close_socket();
  process_.stop();
}

void Session::close_socket() {
  connection_.stop();
  if (socket_) owner_.close_socket(std::move(socket_), peer_.uid);
}

void Session::dispose_descriptors() {
  owner_.dispatch().dispose(id_, descriptors_);
}

// Both flush() and go_on() may end this session.
void Session::socket_ready(std::uint32_t events) {
  const auto self = shared_from_this();
  const bool hangs_up = (events & EPOLLHUP) != 0 && !std::exchange(hung_up_, true);
  if (hangs_up && connection_.move(ends_)) return;
  if ((events & ~std::uint32_t{EPOLLIN}) != 0 && std::exchange(writing_, false)) flush();
  go_on();
  owner_.batch_done();  // if that ended the session, others have its locks now
}

void Session::take_turn() {
  queued_ = false;
  go_on();
}

void Session::go_on() {
  const auto self = shared_from_this();
  if (ended_ || input_over_) return;
  if (last_words_) {
    if (drain(*last_words_) && !ended_ && !input_over_) handle_end_of_input();
  } else if (!is_behind()) {
    hear();
  }
  if (!ended_) listen();
}

void Session::process_ended() {
  const auto self = shared_from_this();
  // A lock that it released before must not count as taken away. Not what its children say after
  // it: they have its socket. Ends the session, when that is all; until then this is called again.
  if (!last_words_) last_words_ = said();
  drain(*last_words_);
  owner_.batch_done();
}

// Lines that were left, or else what has come. False if there is nothing now, or will be no more.
bool Session::hear() {
  if (!lines_left_) return receive();
  handle_lines();
  return true;
}

bool Session::receive() {
  const auto buffer = owner_.read_buffer();
  const auto received = proto::try_receive(socket_.get(), buffer, descriptors_);
  if (!received && lacks_memory(received.error())) return false;
  if (!received || received->closed) {
    handle_end_of_input();
    return false;
  }
  if (received->bytes == 0) return false;
  received_ += received->bytes;
  lines_.append({buffer.data(), received->bytes});
  // It is not known how many did not fit, so empty descriptors stand for as many as there may have
  // been, and the requests that take them are refused (requested_file.hpp).
  if (received->truncated) {
    descriptors_.resize(descriptors_.size() + proto::kMaxDescriptorsAhead);
  }
  some_are_lost_ = received->truncated;
  handle_lines();
  return true;
}

void Session::handle_lines() {
  lines_left_ = false;
  for (int handled = 0;; ++handled) {
    const auto line = lines_.next();
    if (!line) return violate(line.error());
    if (!*line) break;
    if (handled == kLinesAtOnce) {
      lines_.put_back();
      lines_left_ = true;
      return count_descriptors();
    }
    if (const auto served = owner_.dispatch().received(id_, **line, descriptors_); !served) {
      return violate(served.error());
    }
    if (ended_) return;
  }
  if (std::exchange(some_are_lost_, false)) forget_lost_descriptors();
  // An unfinished line may have its descriptor already, and others of the same message.
  if (descriptors_.size() > (lines_.partial() ? proto::kMaxDescriptorsAhead : 0)) {
    violate({proto::Errc::invalid_request,
             fmt::format(
                 "{} descriptors came that no request takes: one goes with each acquire or reclaim",
                 descriptors_.size())});
  } else {
    count_descriptors();
  }
}

// Those that no line has taken yet are the user's as well.
void Session::count_descriptors() {
  const auto count = std::ranges::count_if(descriptors_, &proto::Descriptor::operator bool);
  const auto few = owner_.dispatch().came_ahead(id_, static_cast<std::size_t>(count));
  if (!few) violate(few.error());
}

// Except for one that an unfinished line may want.
void Session::forget_lost_descriptors() {
  auto lost = std::ranges::find_if(descriptors_, [](const auto& file) { return !file; });
  if (lost != descriptors_.end() && lines_.partial()) ++lost;
  descriptors_.erase(lost, descriptors_.end());
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
  clear_outbox();
  lines_left_ = false;
  dispose_descriptors();
  std::ignore = owner_.dispatch().came_ahead(id_, 0);
}

void Session::violate(const proto::Error& error) {
  input_over_ = true;  // nothing more is read, even if the client does not read this
  owner_.dispatch().violated(id_, error);
  flush();
  end();
}

}  // namespace locketd
