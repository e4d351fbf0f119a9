#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <tuple>
#include <utility>

#include "daemon/acceptor.hpp"
#include "daemon/log.hpp"

namespace locketd {

namespace asio = boost::asio;

namespace {

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
// How long accepting pauses when descriptors or memory are short; sessions go on meanwhile.
constexpr std::chrono::milliseconds kRest{50};

Acceptor::Socket open_spare() {
  return Acceptor::Socket(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Acceptor::Socket try_accept(int listener) {
  return Acceptor::Socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

}  // namespace

Acceptor::Acceptor(asio::io_context& context, int listener, Receive accept, Receive refuse)
    : context_(context),
      acceptor_(context, {}, listener),
      accept_(std::move(accept)),
      refuse_(std::move(refuse)),
      spare_(open_spare()) {}

void Acceptor::start() {
  asio::co_spawn(context_, loop(), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);  // no other client would ever be accepted
  });
}

void Acceptor::stop() {
  std::ignore = acceptor_.release();
}

asio::awaitable<void> Acceptor::loop() {
  for (;;) {
    auto [error, socket] = co_await acceptor_.async_accept(kNoThrow);
    if (!error) {
      short_of_ = {};
      accept_(Socket(socket.release()));
      accept_more();
    } else if (error == asio::error::operation_aborted) {
      co_return;
    } else {
      if (error != short_of_) log::warning("cannot accept connections: {}", error.message());
      short_of_ = error;
      if (error == asio::error::no_descriptors) refuse_by_spare();
      asio::steady_timer rest(context_, kRest);
      co_await rest.async_wait(kNoThrow);
    }
  }
}

// Connections that come together must not each wait for a turn of the loop.
void Acceptor::accept_more() {
  constexpr int kAtOnce = 32;
  for (int i = 0; i < kAtOnce; ++i) {
    Socket socket = try_accept(acceptor_.native_handle());
    if (!socket) return;
    accept_(std::move(socket));
  }
}

// Otherwise clients would wait in the backlog without an answer.
void Acceptor::refuse_by_spare() {
  spare_.reset();
  if (Socket socket = try_accept(acceptor_.native_handle())) refuse_(std::move(socket));
  spare_ = open_spare();
}

}  // namespace locketd
