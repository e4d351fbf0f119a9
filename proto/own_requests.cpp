// Part of codec.hpp: writes requests, and reads them if they are written in exactly this way.

#include "proto/own_requests.hpp"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "proto/codec.hpp"
#include "proto/limits.hpp"
#include "proto/line.hpp"
#include "proto/scanner.hpp"

namespace locket::proto {
namespace {

constexpr std::string_view kBegin = R"({"jsonrpc":"2.0",)";
constexpr std::string_view kBeforeId = R"("id":)";
constexpr std::string_view kAcquire = R"("method":"acquire","params":{"path":)";
constexpr std::string_view kRelease = R"("method":"release","params":{"token":)";
constexpr std::string_view kExclusive = R"(,"mode":"exclusive")";
constexpr std::string_view kShared = R"(,"mode":"shared")";
constexpr std::string_view kTimeout = R"(,"timeout":)";
constexpr std::string_view kReason = R"(,"reason":)";
constexpr std::string_view kParked = R"(,"parked":)";
constexpr std::string_view kPark = R"(,"park":true)";
constexpr std::string_view kQuote = R"(")";
constexpr std::string_view kEnd = "}}";

void append_seconds(Line& out, Seconds value) {
  out += fmt::format("{}", value.count());
}

class ParamsWriter {
 public:
  explicit ParamsWriter(Line& out) : out_(out) {}

  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    start(name);
    out_.append_quoted(value);
  }
  void number(std::string_view name, std::uint64_t value) {
    start(name);
    out_.append_number(value);
  }
  void seconds(std::string_view name, Seconds value) {
    start(name);
    append_seconds(out_, value);
  }
  void flag(std::string_view name) {
    start(name);
    out_ += "true";
  }

 private:
  void start(std::string_view name) {
    if (!std::exchange(first_, false)) out_ += ",";
    out_ += kQuote;
    out_ += name;
    out_ += R"(":)";
  }

  Line& out_;
  bool first_ = true;
};

void write(ParamsWriter& out, const Hello& hello) {
  out.number("protocol", static_cast<std::uint64_t>(hello.protocol));
  out.text("client", hello.client);
  out.text("command", hello.command);
  if (hello.notices) out.flag("notices");
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
  if (list.after.waiting) out.flag("after_waiting");
}

void write(ParamsWriter&, const Status&) {}

void write(Line& out, const Acquire& acquire) {
  out += kAcquire;
  out.append_quoted(acquire.path);
  if (acquire.mode == Mode::shared) {
    out += kShared;
  } else {
    out += kExclusive;
  }
  if (acquire.timeout) {
    out += kTimeout;
    append_seconds(out, *acquire.timeout);
  }
  if (!acquire.reason.empty()) {
    out += kReason;
    out.append_quoted(acquire.reason);
  }
  if (acquire.parked) {
    out += kParked;
    out.append_number(*acquire.parked);
  }
}

void write(Line& out, const Release& release) {
  out += kRelease;
  out.append_number(release.token);
  if (release.park) out += kPark;
}

void write(Line& out, const Unpark& unpark) {
  out += R"("method":"unpark","params":{"token":)";
  out.append_number(unpark.token);
}

void write(Line& out, const Cancel& cancel) {
  out += R"("method":"cancel","params":{"id":)";
  out.append_number(cancel.request);
}

void write_any(Line& out, const Call& call) {
  const auto write_it = [&](const auto& kind) {
    if constexpr (requires { write(out, kind); }) {
      write(out, kind);
    } else {
      out += R"("method":")";
      out += method_of(call);
      out += R"(","params":{)";
      ParamsWriter params(out);
      write(params, kind);
    }
  };
  std::visit(write_it, call);
}

template <typename Write>
void append_request(Line& out, const std::optional<RequestId>& id, Write write_call) {
  out += kBegin;
  if (id) {
    out += kBeforeId;
    out.append_number(*id);
    out += ",";
  }
  write_call();
  out += kEnd;
  out += "\n";
}

std::optional<Release> release_of_ours(Scanner& scanner) {
  const auto token = scanner.take_number();
  if (!token || *token > kMaxExactInteger) return std::nullopt;
  return Release{*token, scanner.take(kPark)};
}

std::optional<Acquire> acquire_of_ours(Scanner& scanner) {
  Acquire acquire;
  if (!scanner.take(kQuote)) return std::nullopt;
  const auto path = scanner.take_plain_text();
  if (!path || path->size() > kMaxEscapedPathBytes) return std::nullopt;
  acquire.path = *path;
  if (scanner.take(kShared)) {
    acquire.mode = Mode::shared;
  } else if (!scanner.take(kExclusive)) {
    return std::nullopt;
  }
  if (scanner.take(kTimeout)) {
    const auto seconds = scanner.take_decimal();
    if (!seconds || *seconds > kMaxTimeoutSeconds) return std::nullopt;
    acquire.timeout = Seconds(*seconds);
  }
  if (scanner.take(kReason)) {
    if (!scanner.take(kQuote)) return std::nullopt;
    const auto reason = scanner.take_plain_text();
    if (!reason || reason->size() > kMaxReasonBytes) return std::nullopt;
    acquire.reason = *reason;
  }
  if (scanner.take(kParked)) {
    acquire.parked = scanner.take_number();
    if (!acquire.parked || *acquire.parked > kMaxExactInteger) return std::nullopt;
  }
  return acquire;
}

}  // namespace

void append(Line& out, RequestId id, const Acquire& acquire) {
  append_request(out, id, [&] { write(out, acquire); });
}

void append(Line& out, const Release& release) {
  append_request(out, std::nullopt, [&] { write(out, release); });
}

void append(Line& out, const Unpark& unpark) {
  append_request(out, std::nullopt, [&] { write(out, unpark); });
}

void append(Line& out, const Cancel& cancel) {
  append_request(out, std::nullopt, [&] { write(out, cancel); });
}

std::string encode(const std::optional<RequestId>& id, const Call& call) {
  Line line;
  append_request(line, id, [&] { write_any(line, call); });
  return std::string(line.view());
}

std::string encode(const Request& request) {
  return encode(request.id, request.call);
}

std::optional<Request> read_own_request(std::string_view line) {
  Scanner scanner(line);
  Request request;
  if (!scanner.take(kBegin)) return std::nullopt;
  if (scanner.take(kBeforeId)) {
    request.id = scanner.take_number();
    if (!request.id || *request.id > kMaxExactInteger || !scanner.take(",")) return std::nullopt;
  }
  if (scanner.take(kRelease)) {
    auto release = release_of_ours(scanner);
    if (!release) return std::nullopt;
    request.call = *release;
  } else if (scanner.take(kAcquire)) {
    auto acquire = acquire_of_ours(scanner);
    if (!acquire) return std::nullopt;
    request.call = std::move(*acquire);
  } else {
    return std::nullopt;
  }
  if (!scanner.take(kEnd) || !scanner.is_at_end()) return std::nullopt;
  return request;
}

}  // namespace locket::proto
