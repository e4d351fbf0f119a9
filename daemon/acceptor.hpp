// Takes in connections, also when descriptors or memory are short.
//
// Owned by Server, whose listener it uses and does not own. One thread only.
//
// Invariants:
//  1. While descriptors are short, sessions go on, and whoever connects is told why he is refused.
//  2. Those who connect at once have a bounded turn, as everybody has (C15).

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

  // `refuse`: for whom there is no descriptor.
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
  boost::system::error_code short_of_;  // told once, not at every try
  Socket spare_;                        // given up to refuse a connection when there is no other
};

}  // namespace locketd
