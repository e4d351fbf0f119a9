// The daemon's end of the client's connection, played by the test line by line.
//
// Every call that waits gives up after ten seconds and throws, which fails the test.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/process.hpp"
#include "proto/descriptor.hpp"
#include "proto/framing.hpp"
#include "proto/messages.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {

class FakeDaemon {
 public:
  FakeDaemon();

  [[nodiscard]] const std::string& socket() const { return socket_; }
  [[nodiscard]] std::string folder() const { return folder_.path(); }
  [[nodiscard]] client::Connection::Sockets sockets() const;

  // Accepts the client's connection. Its first message, the hello, is answered by welcome().
  void accept();
  void hang_up() { peer_.reset(); }

  // From the next welcome() on: the number of files it offers to park.
  void park(std::uint64_t files) { parking_ = files; }

  // Dies as by SIGKILL: nothing listens any more. come_back() puts a successor in the same place.
  void die();
  void come_back();

  // The client's next request: of any kind, or of the expected kind.
  proto::Request next();
  std::optional<proto::Request> next_if_any();  // does not wait
  template <typename Expected>
  Expected next_call() {
    return std::get<Expected>(next().call);
  }

  // accept(), the hello and its answer.
  void welcome();

  void reply(std::optional<proto::RequestId> id, proto::Answer answer);
  void send(const std::string& bytes);

  // Grants the request, and locks its descriptor as a real daemon does.
  void grant(const proto::Request& request, proto::Token token);

  // The descriptor that came with an earlier request; in order of arrival.
  proto::Descriptor take_descriptor();
  [[nodiscard]] bool has_descriptor() const { return !descriptors_.empty(); }

  // Whether the client has closed its end.
  bool sees_end();

 private:
  void listen();
  bool receive();  // false at the end of the stream

  TemporaryFolder folder_;
  std::string socket_ = folder_ / "locketd.sock";
  proto::Descriptor listener_;
  proto::Descriptor peer_;
  proto::LineBuffer lines_{std::size_t{1} << 20};
  proto::Descriptors descriptors_;
  std::uint64_t parking_ = 0;
};

proto::Failure failure(proto::Errc code, std::string message = {});

}  // namespace locket::test
