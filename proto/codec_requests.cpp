#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <iterator>
#include <type_traits>
#include <utility>

#include "proto/codec.hpp"
#include "proto/flat_json.hpp"
#include "proto/json_text.hpp"
#include "proto/limits.hpp"
#include "proto/request_json.hpp"
#include "proto/scanner.hpp"
#include "proto/text.hpp"

namespace locket::proto {
namespace {

// Takes parameters by name; remembers the first thing that is wrong with them.
class Params {
 public:
  explicit Params(const FlatFields& fields) : fields_(fields) {}

  [[nodiscard]] bool has(std::string_view name) const { return fields_.find(name) != nullptr; }

  std::string text(std::string_view name, std::size_t max_bytes) {
    const FlatValue* const value = take(name);
    if (value == nullptr) return {};
    const auto* text = std::get_if<std::string_view>(value);
    if (text == nullptr) return wrong(fmt::format("\"{}\" must be a string", name)), std::string();
    std::string safe = printable(*text);
    if (safe.size() > max_bytes) {
      return wrong(fmt::format("\"{}\" is longer than {} bytes", name, max_bytes)), std::string();
    }
    return safe;
  }

  std::optional<std::uint64_t> whole_number(std::string_view name, std::uint64_t max) {
    const FlatValue* const value = take(name);
    if (value == nullptr) return std::nullopt;
    const auto* number = std::get_if<std::uint64_t>(value);
    if (number != nullptr && *number <= max) return *number;
    wrong(fmt::format("\"{}\" must be a whole number from 0 to {}", name, max));
    return std::nullopt;
  }

  std::uint64_t required_number(std::string_view name, std::uint64_t max) {
    const auto number = whole_number(name, max);
    if (!number) wrong(fmt::format("\"{}\" is missing", name));
    return number.value_or(0);
  }

  Mode mode() {
    const FlatValue* const value = take("mode");
    if (value == nullptr || *value == FlatValue("exclusive")) return Mode::exclusive;
    if (*value == FlatValue("shared")) return Mode::shared;
    wrong("\"mode\" must be \"exclusive\" or \"shared\"");
    return Mode::exclusive;
  }

  bool flag(std::string_view name) {
    const FlatValue* const value = take(name);
    if (value == nullptr) return false;
    if (const auto* flag = std::get_if<bool>(value)) return *flag;
    wrong(fmt::format("\"{}\" must be true or false", name));
    return false;
  }

  std::optional<Seconds> timeout() { return seconds("timeout", ", or null to wait for ever"); }

  Seconds age() { return seconds("age", "").value_or(Seconds(0)); }

  // Unknown names are refused: a misspelt timeout must not mean "for ever".
  [[nodiscard]] std::optional<Error> problem() const {
    if (problem_) return problem_;
    const auto all = fields_.all();
    if (taken_.count() == all.size()) return std::nullopt;
    std::size_t first = 0;
    while (taken_[first]) ++first;
    return Error{Errc::invalid_params,
                 fmt::format("unknown parameter \"{}\"", shorten(escape(all[first].name), 64))};
  }

 private:
  std::optional<Seconds> seconds(std::string_view name, std::string_view or_else) {
    const FlatValue* const value = take(name);
    if (value == nullptr || std::holds_alternative<std::nullptr_t>(*value)) return std::nullopt;
    double seconds = -1;
    if (const auto* whole = std::get_if<std::uint64_t>(value))
      seconds = static_cast<double>(*whole);
    if (const auto* fraction = std::get_if<double>(value)) seconds = *fraction;
    // Minus zero is zero, also as "-0": what a computed timeout may well come to.
    if (const auto* negative = std::get_if<std::int64_t>(value))
      seconds = static_cast<double>(*negative);
    if (seconds >= 0 && seconds <= kMaxTimeoutSeconds) return Seconds(std::abs(seconds));
    wrong(fmt::format("\"{}\" must be a number of seconds from 0 to {:.0f}{}", name,
                      kMaxTimeoutSeconds, or_else));
    return std::nullopt;
  }

  // Null where there is none.
  const FlatValue* take(std::string_view name) {
    const FlatField* const found = fields_.find(name);
    if (found == nullptr) return nullptr;
    taken_.set(static_cast<std::size_t>(found - fields_.all().data()));
    return &found->value;
  }

  void wrong(std::string message) {
    if (!problem_) problem_ = Error{Errc::invalid_params, std::move(message)};
  }

  const FlatFields& fields_;
  std::bitset<kMaxMembers> taken_;
  std::optional<Error> problem_;
};

Call read_hello(Params& params) {
  constexpr std::uint64_t kAnyVersion = 1'000'000;
  Hello hello;
  hello.protocol = static_cast<int>(params.required_number("protocol", kAnyVersion));
  hello.client = params.text("client", kMaxCommandBytes);
  hello.command = params.text("command", kMaxCommandBytes);
  hello.notices = params.flag("notices");
  return hello;
}

constexpr std::size_t kMaxEscaped = 4 * kMaxPathBytes;

Call read_acquire(Params& params) {
  Acquire acquire;
  acquire.path = params.text("path", kMaxEscaped);
  acquire.mode = params.mode();
  acquire.timeout = params.timeout();
  acquire.reason = params.text("reason", kMaxReasonBytes);
  return acquire;
}

Call read_reclaim(Params& params) {
  Reclaim reclaim;
  reclaim.path = params.text("path", kMaxEscaped);
  reclaim.mode = params.mode();
  reclaim.timeout = params.timeout();
  reclaim.reason = params.text("reason", kMaxReasonBytes);
  reclaim.token = params.whole_number("token", kMaxExactInteger);
  reclaim.ticket = params.whole_number("ticket", kMaxExactInteger).value_or(0);
  reclaim.age = params.age();
  return reclaim;
}

Call read_release(Params& params) {
  return Release{params.required_number("token", kMaxExactInteger)};
}

Call read_cancel(Params& params) {
  return Cancel{params.required_number("id", kMaxExactInteger)};
}

Call read_detach(Params& params) {
  return Detach{params.text("command", kMaxCommandBytes)};
}

Call read_list(Params& params) {
  constexpr auto kAny = std::numeric_limits<std::uint64_t>::max();
  List list;
  // Half of a file must not mean all files.
  if (params.has("device") || params.has("inode")) {
    const auto device = params.required_number("device", kAny);
    list.file = FileId{device, params.required_number("inode", kAny)};
  }
  list.after.lock = params.whole_number("after_lock", kAny).value_or(0);
  list.after.ticket = params.whole_number("after_ticket", kAny).value_or(0);
  return list;
}

Call read_status(Params&) {
  return Status{};
}

struct Method {
  std::string_view name;
  Call (*read)(Params&);
};

// In the order of the alternatives of Call.
constexpr std::array<Method, std::variant_size_v<Call>> kMethods{{
    {"hello", read_hello},
    {"acquire", read_acquire},
    {"reclaim", read_reclaim},
    {"release", read_release},
    {"cancel", read_cancel},
    {"detach", read_detach},
    {"list", read_list},
    {"status", read_status},
}};

std::expected<std::optional<RequestId>, Error> read_id(const FlatObject& object) {
  const FlatField* const id = object.members.find("id");
  if (id == nullptr) return std::nullopt;
  const auto* number = std::get_if<std::uint64_t>(&id->value);
  if (number == nullptr || *number > kMaxExactInteger) {
    return std::unexpected(
        Error{Errc::invalid_request,
              fmt::format("\"id\" must be a whole number from 0 to {}", kMaxExactInteger)});
  }
  return *number;
}

const std::string_view* text_member(const FlatObject& object, std::string_view name) {
  const FlatField* const found = object.members.find(name);
  return found == nullptr ? nullptr : std::get_if<std::string_view>(&found->value);
}

std::expected<Call, Error> read_call(const FlatObject& object) {
  const auto* version = text_member(object, "jsonrpc");
  if (version == nullptr || *version != "2.0") {
    return std::unexpected(Error{Errc::invalid_request, "\"jsonrpc\" must be \"2.0\""});
  }
  const auto* name = text_member(object, "method");
  if (name == nullptr)
    return std::unexpected(Error{Errc::invalid_request, "\"method\" must be a string"});
  if (object.members.find("params") != nullptr) {
    return std::unexpected(Error{Errc::invalid_request, "\"params\" must be an object"});
  }
  const auto method = std::ranges::find(kMethods, *name, &Method::name);
  if (method == kMethods.end()) {
    return std::unexpected(Error{Errc::unknown_method,
                                 fmt::format("unknown method \"{}\"", shorten(escape(*name), 64))});
  }
  Params params(object.inner);
  Call call = method->read(params);
  if (auto problem = params.problem()) return std::unexpected(std::move(*problem));
  return call;
}

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
  if (!path || path->size() > kMaxEscaped) return std::nullopt;
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

// To the letter as encode() writes the two that each lock takes: a third of the daemon's
// instructions for it would go into reading them as JSON in general.
std::optional<Request> request_of_ours(std::string_view line) {
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

}  // namespace

std::string_view method_of(const Call& call) {
  return kMethods[call.index()].name;
}

std::string_view name_of(Mode mode) {
  return mode == Mode::exclusive ? "exclusive" : "shared";
}

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

std::expected<Request, BadRequest> decode_request(std::string_view line) {
  if (auto request = request_of_ours(line)) return std::move(*request);
  FlatObject object;
  // Most lines need none: of the daemon's instructions for a lock, it would take six in ten.
  std::optional<RequestJson> thorough;
  std::expected<void, Error> read;
  const bool usual = read_flat(line, object) && object.inner_name.value_or("params") == "params";
  if (!usual) read = thorough.emplace().read(line, object);
  const auto* method = text_member(object, "method");
  const bool claim = method != nullptr && (*method == "acquire" || *method == "reclaim");
  const auto id = read_id(object);
  const auto bad = [&](Error error) {
    const bool notification = read && method != nullptr && id && !*id;
    return std::unexpected(
        BadRequest{id.value_or(std::nullopt), std::move(error), claim, notification});
  };
  if (!read) return bad(std::move(read.error()));
  if (!id) return bad(id.error());
  auto call = read_call(object);
  if (!call) return bad(std::move(call.error()));
  return Request{*id, std::move(*call)};
}

}  // namespace locket::proto
