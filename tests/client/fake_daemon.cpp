#include "tests/client/fake_daemon.hpp"

#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "proto/codec.hpp"
#include "proto/transport.hpp"

namespace locket::test {
namespace {

bool readable(int fd, int timeout_ms) {
  pollfd source{fd, POLLIN, 0};
  return ::poll(&source, 1, timeout_ms) == 1;
}

void wait_readable(int fd, const char* what) {
  constexpr int kDeadlineMs = 10'000;
  if (!readable(fd, kDeadlineMs)) throw std::runtime_error(what);
}

}  // namespace

FakeDaemon::FakeDaemon() {
  listen();
}

void FakeDaemon::die() {
  listener_.reset();
  peer_.reset();
}

void FakeDaemon::come_back() {
  ::unlink(socket_.c_str());
  listen();
}

void FakeDaemon::listen() {
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_.get(), 8) != 0) {
    throw std::runtime_error("cannot listen at " + socket_);
  }
}

client::Connection::Sockets FakeDaemon::sockets() const {
  return [socket = socket_] { return std::vector<std::string>{socket}; };
}

void FakeDaemon::accept() {
  wait_readable(listener_.get(), "no client connects");
  peer_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  lines_ = proto::LineBuffer(std::size_t{1} << 20);
  descriptors_.clear();
}

void FakeDaemon::welcome() {
  accept();
  const proto::Request request = next();
  if (std::get<proto::Hello>(request.call).protocol != 1) throw std::runtime_error("no hello");
  reply(request.id, proto::Welcome{1, "fake", 4711, parking_});
}

proto::Request FakeDaemon::next() {
  for (;;) {
    if (const auto line = lines_.next().value()) return proto::decode_request(*line).value();
    if (!receive()) throw std::runtime_error("the client hung up");
  }
}

std::optional<proto::Request> FakeDaemon::next_if_any() {
  for (;;) {
    if (const auto line = lines_.next().value()) return proto::decode_request(*line).value();
    if (!readable(peer_.get(), 0) || !receive()) return std::nullopt;
  }
}

bool FakeDaemon::receive() {
  wait_readable(peer_.get(), "the client sends nothing");
  std::array<char, 4096> buffer{};
  const auto received = proto::try_receive(peer_.get(), buffer, descriptors_).value();
  lines_.append({buffer.data(), received.bytes});
  return !received.closed;
}

bool FakeDaemon::sees_end() {
  while (receive()) {
  }
  return true;
}

void FakeDaemon::reply(std::optional<proto::RequestId> id, proto::Answer answer) {
  send(proto::encode(proto::Reply{id, std::move(answer)}));
}

void FakeDaemon::grant(const proto::Request& request, proto::Token token) {
  const bool shared = std::get<proto::Acquire>(request.call).mode == proto::Mode::shared;
  if (::flock(descriptors_.back().get(), (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    throw std::runtime_error("somebody has the kernel's lock");
  }
  reply(request.id, proto::Grant{token});
}

void FakeDaemon::send(const std::string& bytes) {
  if (::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("cannot send to the client");
  }
}

proto::Descriptor FakeDaemon::take_descriptor() {
  proto::Descriptor descriptor = std::move(descriptors_.at(0));
  descriptors_.erase(descriptors_.begin());
  return descriptor;
}

proto::Failure failure(proto::Errc code, std::string message) {
  return {{code, std::move(message)}, std::nullopt};
}

}  // namespace locket::test
