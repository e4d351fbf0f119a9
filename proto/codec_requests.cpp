#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <type_traits>
#include <utility>

#include "proto/codec.hpp"
#include "proto/flat_json.hpp"
#include "proto/limits.hpp"
#include "proto/own_requests.hpp"
#include "proto/request_json.hpp"
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
    // Minus zero is zero, also as "-0": a computed timeout may well be that.
    if (const auto* negative = std::get_if<std::int64_t>(value))
      seconds = static_cast<double>(*negative);
    if (seconds >= 0 && seconds <= kMaxTimeoutSeconds) return Seconds(std::abs(seconds));
    wrong(fmt::format("\"{}\" must be a number of seconds from 0 to {:.0f}{}", name,
                      kMaxTimeoutSeconds, or_else));
    return std::nullopt;
  }

  // Null if there is none.
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

Call read_acquire(Params& params) {
  Acquire acquire;
  acquire.path = params.text("path", kMaxEscapedPathBytes);
  acquire.mode = params.mode();
  acquire.timeout = params.timeout();
  acquire.reason = params.text("reason", kMaxReasonBytes);
  acquire.parked = params.whole_number("parked", kMaxExactInteger);
  return acquire;
}

Call read_reclaim(Params& params) {
  Reclaim reclaim;
  reclaim.path = params.text("path", kMaxEscapedPathBytes);
  reclaim.mode = params.mode();
  reclaim.timeout = params.timeout();
  reclaim.reason = params.text("reason", kMaxReasonBytes);
  reclaim.token = params.whole_number("token", kMaxExactInteger);
  reclaim.ticket = params.whole_number("ticket", kMaxExactInteger).value_or(0);
  reclaim.age = params.age();
  return reclaim;
}

Call read_release(Params& params) {
  Release release{params.required_number("token", kMaxExactInteger)};
  release.park = params.flag("park");
  return release;
}

Call read_unpark(Params& params) {
  return Unpark{params.required_number("token", kMaxExactInteger)};
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
  // Half of a file's identity must not mean all files.
  if (params.has("device") || params.has("inode")) {
    const auto device = params.required_number("device", kAny);
    list.file = FileId{device, params.required_number("inode", kAny)};
  }
  list.after.lock = params.whole_number("after_lock", kAny).value_or(0);
  list.after.ticket = params.whole_number("after_ticket", kAny).value_or(0);
  list.after.waiting = params.flag("after_waiting");
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
    {"unpark", read_unpark},
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

}  // namespace

bool takes_descriptor(const Call& call) {
  if (const auto* acquire = std::get_if<Acquire>(&call)) return !acquire->parked;
  return std::holds_alternative<Reclaim>(call);
}

std::string_view method_of(const Call& call) {
  return kMethods[call.index()].name;
}

std::string_view name_of(Mode mode) {
  return mode == Mode::exclusive ? "exclusive" : "shared";
}

std::expected<Request, BadRequest> decode_request(std::string_view line) {
  if (auto request = read_own_request(line)) return std::move(*request);
  FlatObject object;
  // Most lines do without it: it would take six in ten of the daemon's instructions for a lock.
  std::optional<RequestJson> thorough;
  std::expected<void, Error> read;
  const bool usual = read_flat(line, object) && object.inner_name.value_or("params") == "params";
  if (!usual) read = thorough.emplace().read(line, object);
  const auto* method = text_member(object, "method");
  const bool claim =
      method != nullptr &&
      (*method == "reclaim" || (*method == "acquire" && object.inner.find("parked") == nullptr));
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
