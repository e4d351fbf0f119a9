// What any process may send: from bytes to lines to requests, and text to its escaped form and
// back.

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <variant>

#include "proto/codec.hpp"
#include "proto/flat_json.hpp"
#include "proto/request_json.hpp"
#include "proto/text.hpp"
#include "tests/fuzz/fuzzing.hpp"
#include "tests/fuzz/lines.hpp"

namespace locket::fuzz {
namespace {

using namespace locket::proto;

void check_texts(const Hello& hello) {
  require_safe(hello.client);
  require_safe(hello.command);
}
void check_texts(const Acquire& acquire) {
  require_safe(acquire.path);
  require_safe(acquire.reason);
  require(!acquire.timeout || acquire.timeout->count() >= 0, "a timeout below zero");
}
void check_texts(const Reclaim& reclaim) {
  require_safe(reclaim.path);
  require_safe(reclaim.reason);
  require(!reclaim.timeout || reclaim.timeout->count() >= 0, "a timeout below zero");
  require(reclaim.age.count() >= 0, "an age below zero");
}
void check_texts(const Detach& detach) {
  require_safe(detach.command);
}
void check_texts(const auto&) {}

// A decoded request, encoded again by us, must decode to the same.
void check_round_trip(const Request& request) {
  const std::string line = encode(request);
  const auto again = decode_request(without_line_feed(line));
  require(again.has_value(), "our own line is refused: " + line);
  require(encode(*again) == line, "not the same again: " + line);
}

void check_refusal(const BadRequest& bad) {
  require(!bad.error.message.empty(), "refused without a word");
  require_safe(bad.error.message);
  require(!(bad.notification && bad.id), "a notification with an id");
  const std::string line = encode(Reply{bad.id, Failure{bad.error, {}}});
  const auto reply = decode_reply(without_line_feed(line));
  require(reply && reply->id == bad.id, "a refusal that its client cannot read: " + line);
  const auto* failure = std::get_if<Failure>(&reply->answer);
  require(failure != nullptr && failure->error.code == bad.error.code &&
              failure->error.message == bad.error.message,
          "not the same refusal: " + line);
}

// The fast reader for the usual case must agree with the thorough one.
void check_flat(std::string_view line) {
  FlatObject usual;
  if (!read_flat(line, usual)) return;
  FlatObject thorough;
  RequestJson reader;
  const bool read = reader.read(line, thorough).has_value();
  if (usual.inner_name.value_or("params") != "params") return require(!read, "an object");
  require(read && usual == thorough, "read in two ways: " + std::string(line));
}

// White space between the tokens changes nothing (RFC 8259, section 2), but such a line does not
// take the fast path for our exact form.
void check_loose(std::string_view line, const std::expected<Request, BadRequest>& request) {
  if (!line.starts_with('{')) return;
  const auto loose = decode_request("{ " + std::string(line.substr(1)));
  require(loose.has_value() == request.has_value(), "read in two ways: " + std::string(line));
  if (request)
    return require(encode(*loose) == encode(*request), "not the same: " + encode(*loose));
  require(loose.error().id == request.error().id &&
              loose.error().error.code == request.error().error.code,
          "refused in two ways: " + std::string(line));
}

void check_request(std::string_view line) {
  check_flat(line);
  const auto request = decode_request(line);
  check_loose(line, request);
  if (!request) return check_refusal(request.error());
  std::visit([](const auto& call) { check_texts(call); }, request->call);
  check_round_trip(*request);
}

void check_shortened(const std::string& escaped, std::size_t room) {
  const std::string text = shorten(escaped, room);
  require(text.size() <= room || text == escaped, "longer than it may be");
  require_safe(text);
  if (escaped.size() <= room) return require(text == escaped, "cut although there was room");
  if (room < 3) return;
  require(text.ends_with("..."), "cut without telling");
  const auto kept = std::string_view(text).substr(0, text.size() - 3);
  require(escaped.starts_with(kept), "changed by cutting");
  require(unescape(kept).has_value(), "cut within an escape");
}

void check_text(std::string_view bytes) {
  const std::string escaped = escape(bytes);
  require_safe(escaped);
  require(unescape(escaped) == std::string(bytes), "escape and unescape disagree");
  require_safe(printable(bytes));
  require(printable(printable(bytes)) == printable(bytes), "printable() is not final");
  if (const auto raw = unescape(bytes)) require(unescape(escape(*raw)) == *raw, "unescape()");
  for (const std::size_t room : {0U, 1U, 3U, 4U, 5U, 8U, 64U}) check_shortened(escaped, room);
  if (!escaped.empty()) check_shortened(escaped, escaped.size() - 1);
}

}  // namespace
}  // namespace locket::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace locket::fuzz;
  const auto bytes = view_of(data, size);
  for (const std::string& line : lines_of(bytes)) check_request(line);
  check_request(bytes);  // to a JSON reader, a line feed within a line is white space
  check_text(bytes);
  return 0;
}
