// A client that speaks the protocol by hand: what a program written from PROTOCOL.md alone would
// send, and anything else a test can think of.

#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/descriptor.hpp"
#include "tests/support/eventually.hpp"

namespace locket::test {

using Json = nlohmann::json;
using Id = std::uint64_t;
using Token = std::uint64_t;

// One session. Answers come in any order, and are kept until they are asked for. If an expected
// answer never comes, an exception fails the test.
class RawClient {
 public:
  enum class Greeting { hello, none };
  explicit RawClient(const std::string& socket_path, Greeting greeting = Greeting::hello);

  // ---- Bytes and lines ----

  // False if the daemon has closed the connection.
  bool send_bytes(std::string_view bytes, const std::vector<int>& descriptors = {});
  bool send(const Json& message, const std::vector<int>& descriptors = {});

  // The next line, whatever it answers; none if the connection ends first.
  std::optional<Json> next();

  // Sends nothing more, and discards what still comes until the daemon closes the connection.
  [[nodiscard]] bool is_ended_by_daemon();
  void close() { socket_.reset(); }
  [[nodiscard]] int descriptor() const { return socket_.get(); }

  // ---- Requests ----

  Id start(std::string_view method, Json params = Json::object(),
           const std::vector<int>& descriptors = {});
  void notify(std::string_view method, Json params = Json::object());

  // The whole answer to a request; result() and error() require one or the other in it.
  Json answer(Id id);
  Json result(Id id);
  Json error(Id id);
  Json call(std::string_view method, Json params = Json::object()) {
    return result(start(method, std::move(params)));
  }

  // Whether the daemon has handled all that this session has sent and left that request unanswered.
  [[nodiscard]] bool waits(Id id);

  // ---- Locks ----

  // Opens the file, passes the descriptor and closes it.
  Id acquire(const std::string& path, Json params = Json::object());
  Token granted(Id id) { return result(id).at("token").get<Token>(); }
  Token lock(const std::string& path, Json params = Json::object()) {
    return granted(acquire(path, std::move(params)));
  }
  bool try_lock(const std::string& path, Json params = Json::object());
  void release(Token token) { call("release", {{"token", token}}); }

  // All pages.
  std::vector<Json> list(Json params = Json::object());

 private:
  bool receive(Clock::time_point deadline);

  proto::Descriptor socket_;
  Id last_id_ = 0;
  std::string unread_;
  std::deque<Json> answers_;  // not asked for yet
};

proto::Descriptor open_file(const std::string& path);

}  // namespace locket::test
