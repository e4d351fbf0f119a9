// What a daemon may send: from bytes to lines to replies, and the text the client makes of them.

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "client/holders.hpp"
#include "proto/codec.hpp"
#include "tests/fuzz/fuzzing.hpp"
#include "tests/fuzz/lines.hpp"

namespace locket::fuzz {
namespace {

using namespace locket::proto;

void check_row(const Row& row) {
  require_safe(row.path);
  require_safe(row.command);
  require_safe(row.reason);
  require_safe(client::duration_text(row.age));
}

void check_answer(const Failure& failure) {
  require_safe(failure.error.message);
  if (!failure.refusal) return;
  const Refusal& refusal = *failure.refusal;
  for (const Row& row : refusal.holders) check_row(row);
  require_safe(refusal.path);
  // With no holder, or an external one, the client would search /proc.
  constexpr std::size_t kFew = 2;  // each looks up its user
  if (refusal.external || refusal.holders.empty() || refusal.holders.size() > kFew) return;
  const auto holders = client::holders_of(refusal, 0);
  require(holders.size() == refusal.holders.size(), "a holder was lost");
  const std::string text = client::refusal_text(refusal.path, refusal, holders);
  require_safe(text);
  require_safe(client::timeout_text(text, Seconds(holders.front().held)));
}
void check_answer(const Page& page) {
  for (const Row& row : page.rows) check_row(row);
}
void check_answer(const Welcome& welcome) {
  require_safe(welcome.server);
}
void check_answer(const StatusReport& report) {
  require_safe(report.version);
  require_safe(report.socket);
  require_safe(client::duration_text(report.uptime));
}
void check_answer(const auto&) {}

void check_reply(std::string_view line) {
  const auto reply = decode_reply(line);
  // White space changes nothing (RFC 8259, section 2), but such a line does not take the fast path
  // for our exact form.
  if (line.starts_with('{')) {
    const auto loose = decode_reply("{ " + std::string(line.substr(1)));
    require(loose.has_value() == reply.has_value(), "read in two ways: " + std::string(line));
    require(!reply || encode(*loose) == encode(*reply), "not the same: " + std::string(line));
  }
  if (!reply) return require_safe(reply.error().message);
  std::visit([](const auto& answer) { check_answer(answer); }, reply->answer);
  const std::string ours = encode(*reply);
  const auto again = decode_reply(without_line_feed(ours));
  require(again.has_value(), "our own line is refused: " + ours);
  require(encode(*again) == ours, "not the same again: " + ours + encode(*again));
}

}  // namespace
}  // namespace locket::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace locket::fuzz;
  const auto bytes = view_of(data, size);
  for (const std::string& line : lines_of(bytes)) check_reply(line);
  return 0;
}
