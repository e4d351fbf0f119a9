// Accepts connections, even when descriptors or memory are short.
//
// Owned by Server. Uses the server's listener without owning it. One thread only.
//
// Invariants:
//  1. While descriptors are short, sessions go on, and a client that connects is told why it is
//     refused.
//  2. A burst of connections gets a bounded turn, like everything else (C15).

#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/system/error_code.hpp>
#include <functional>

#include "proto/descriptor.hpp"

namespace locketd {

class Acceptor {
 public:
  using Socket = locket::proto::Descriptor;
  using Receive = std::function<void(Socket)>;

  // `refuse` is called for a connection for which no descriptor is left.
  Acceptor(boost::asio::io_context& context, int listener, Receive accept, Receive refuse);

  void start();
  // The listener stays open.
  void stop();

 private:
  boost::asio::awaitable<void> loop();
  void accept_more();
  void refuse_by_spare();

  boost::asio::io_context& context_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  const Receive accept_;
  const Receive refuse_;
  boost::system::error_code short_of_;  // logged once, not at every attempt
  Socket spare_;                        // given up to refuse a connection when no other is left
};

}  // namespace locketd
