// Of codec.hpp: how requests are written, and read again where nobody has written them otherwise.

#include "proto/own_requests.hpp"

#include <fmt/format.h>

#include <iterator>
#include <utility>
#include <variant>

#include "proto/codec.hpp"
#include "proto/json_text.hpp"
#include "proto/limits.hpp"
#include "proto/scanner.hpp"

namespace locket::proto {
namespace {

class ParamsWriter {
 public:
  explicit ParamsWriter(std::string& out) : out_(out) {}

  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    start(name);
    append_quoted(out_, value);
  }
  void number(std::string_view name, std::uint64_t value) {
    start(name);
    append_number(out_, value);
  }
  void seconds(std::string_view name, Seconds value) {
    start(name);
    fmt::format_to(std::back_inserter(out_), "{}", value.count());
  }
  void flag(std::string_view name) {
    start(name);
    out_ += "true";
  }

 private:
  void start(std::string_view name) {
    if (!std::exchange(first_, false)) out_ += ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }

  std::string& out_;
  bool first_ = true;
};

void write(ParamsWriter& out, const Hello& hello) {
  out.number("protocol", static_cast<std::uint64_t>(hello.protocol));
  out.text("client", hello.client);
  out.text("command", hello.command);
  if (hello.notices) out.flag("notices");
}

void write(ParamsWriter& out, const Acquire& acquire) {
  out.text("path", acquire.path);
  out.text("mode", name_of(acquire.mode));
  if (acquire.timeout) out.seconds("timeout", *acquire.timeout);
  out.text("reason", acquire.reason);
}

void write(ParamsWriter& out, const Reclaim& reclaim) {
  out.text("path", reclaim.path);
  out.text("mode", name_of(reclaim.mode));
  if (reclaim.timeout) out.seconds("timeout", *reclaim.timeout);
  out.text("reason", reclaim.reason);
  if (reclaim.token) out.number("token", *reclaim.token);
  if (reclaim.ticket != 0) out.number("ticket", reclaim.ticket);
  out.seconds("age", reclaim.age);
}

void write(ParamsWriter& out, const Release& release) {
  out.number("token", release.token);
}

void write(ParamsWriter& out, const Cancel& cancel) {
  out.number("id", cancel.request);
}

void write(ParamsWriter& out, const Detach& detach) {
  out.text("command", detach.command);
}

void write(ParamsWriter& out, const List& list) {
  if (list.file) {
    out.number("device", list.file->device);
    out.number("inode", list.file->inode);
  }
  if (list.after.lock == 0) return;
  out.number("after_lock", list.after.lock);
  out.number("after_ticket", list.after.ticket);
}

void write(ParamsWriter&, const Status&) {}

constexpr std::string_view kBegin = R"({"jsonrpc":"2.0",)";
constexpr std::string_view kBeforeId = R"("id":)";

std::string up_to_params(const std::optional<RequestId>& id, std::string_view method) {
  constexpr std::size_t kMost = 192;  // of all lines are shorter
  std::string line;
  line.reserve(kMost);
  line += kBegin;
  if (id) {
    line += kBeforeId;
    append_number(line, *id);
    line += ',';
  }
  line += R"("method":")";
  line += method;
  line += R"(","params":{)";
  return line;
}

std::optional<Release> release_of_ours(Scanner& scanner) {
  const auto token = scanner.take_number();
  if (!token || *token > kMaxExactInteger) return std::nullopt;
  return Release{*token};
}

std::optional<Acquire> acquire_of_ours(Scanner& scanner) {
  Acquire acquire;
  const auto path = scanner.take_plain_text();
  if (!path || path->size() > kMaxEscapedPathBytes) return std::nullopt;
  acquire.path = *path;
  if (scanner.take(R"(,"mode":"shared")")) {
    acquire.mode = Mode::shared;
  } else if (!scanner.take(R"(,"mode":"exclusive")")) {
    return std::nullopt;
  }
  if (scanner.take(R"(,"timeout":)")) {
    const auto seconds = scanner.take_decimal();
    if (!seconds || *seconds > kMaxTimeoutSeconds) return std::nullopt;
    acquire.timeout = Seconds(*seconds);
  }
  if (scanner.take(R"(,"reason":")")) {
    const auto reason = scanner.take_plain_text();
    if (!reason || reason->size() > kMaxReasonBytes) return std::nullopt;
    acquire.reason = *reason;
  }
  return acquire;
}

}  // namespace

std::string encode(const Request& request) {
  return encode(request.id, request.call);
}

std::string encode(const std::optional<RequestId>& id, const Call& call) {
  std::string line = up_to_params(id, method_of(call));
  ParamsWriter params(line);
  std::visit([&](const auto& kind) { write(params, kind); }, call);
  line += "}}\n";
  return line;
}

std::string encode(RequestId id, const Acquire& acquire) {
  std::string line = up_to_params(id, "acquire");
  ParamsWriter params(line);
  write(params, acquire);
  line += "}}\n";
  return line;
}

std::optional<Request> read_own_request(std::string_view line) {
  Scanner scanner(line);
  Request request;
  if (!scanner.take(kBegin)) return std::nullopt;
  if (scanner.take(kBeforeId)) {
    request.id = scanner.take_number();
    if (!request.id || *request.id > kMaxExactInteger || !scanner.take(",")) return std::nullopt;
  }
  if (scanner.take(R"("method":"release","params":{"token":)")) {
    auto release = release_of_ours(scanner);
    if (!release) return std::nullopt;
    request.call = *release;
  } else if (scanner.take(R"("method":"acquire","params":{"path":")")) {
    auto acquire = acquire_of_ours(scanner);
    if (!acquire) return std::nullopt;
    request.call = std::move(*acquire);
  } else {
    return std::nullopt;
  }
  if (!scanner.take("}}") || !scanner.is_at_end()) return std::nullopt;
  return request;
}

}  // namespace locket::proto
