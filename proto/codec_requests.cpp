#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "proto/codec.hpp"
#include "proto/json_text.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"

namespace locket::proto {
namespace {

using Value = std::variant<std::nullptr_t, bool, std::uint64_t, std::int64_t, double, std::string>;

struct Field {
  std::string name;
  Value value;
};

// A request is two flat objects, one in the other; whatever else comes is refused while it is read,
// so that no input makes us build or recurse more than its own line is long.
struct Envelope final : nlohmann::json_sax<nlohmann::json> {
  std::vector<Field> members;
  std::vector<Field> params;
  Error error;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override { return add(std::uint64_t{value}); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override {
    return refuse(Errc::parse_error, "binary values are not JSON");
  }

  bool start_object(std::size_t) override {
    ++depth_;
    if (depth_ == 1 || (depth_ == kMaxNesting && key_ == "params")) return true;
    return refuse(Errc::invalid_request, depth_ > kMaxNesting ? "the request is nested too deeply"
                                                              : "only \"params\" may be an object");
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    return refuse(Errc::invalid_request, depth_ == 0
                                             ? "batches are not supported: send one object a line"
                                             : "a request has no arrays: parameters go by name");
  }
  bool end_array() override { return true; }

  bool key(string_t& name) override {
    const auto& object = depth_ == 1 ? members : params;
    const bool again = depth_ == 1 && name == "params" && std::exchange(has_params_, true);
    if (again || std::ranges::find(object, name, &Field::name) != object.end()) {
      return refuse(Errc::invalid_request,
                    fmt::format("\"{}\" is given twice", shorten(escape(name), 64)));
    }
    if (object.size() == kMaxMembers) {
      return refuse(Errc::invalid_request,
                    fmt::format("an object has more than {} members", kMaxMembers));
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return refuse(Errc::parse_error, fmt::format("not valid JSON, at byte {}", position));
  }

 private:
  bool add(Value value) {
    if (depth_ == 0) return refuse(Errc::invalid_request, "a request is a JSON object");
    (depth_ == 1 ? members : params).push_back({key_, std::move(value)});
    return true;
  }
  bool refuse(Errc code, std::string message) {
    error = {code, std::move(message)};
    return false;
  }

  int depth_ = 0;
  std::string key_;
  bool has_params_ = false;
};

// Takes parameters by name; remembers the first thing that is wrong with them.
class Params {
 public:
  explicit Params(std::vector<Field> fields) : fields_(std::move(fields)) {}

  [[nodiscard]] bool has(std::string_view name) const {
    return std::ranges::find(fields_, name, &Field::name) != fields_.end();
  }

  std::string text(std::string_view name, std::size_t max_bytes) {
    auto value = take(name);
    if (!value) return {};
    auto* text = std::get_if<std::string>(&*value);
    if (text == nullptr) return wrong(fmt::format("\"{}\" must be a string", name)), std::string();
    std::string safe = printable(*text);
    if (safe.size() > max_bytes) {
      return wrong(fmt::format("\"{}\" is longer than {} bytes", name, max_bytes)), std::string();
    }
    return safe;
  }

  std::optional<std::uint64_t> whole_number(std::string_view name, std::uint64_t max) {
    const auto value = take(name);
    if (!value) return std::nullopt;
    const auto* number = std::get_if<std::uint64_t>(&*value);
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
    const auto value = take("mode");
    if (!value) return Mode::exclusive;
    if (*value == Value("exclusive")) return Mode::exclusive;
    if (*value == Value("shared")) return Mode::shared;
    wrong("\"mode\" must be \"exclusive\" or \"shared\"");
    return Mode::exclusive;
  }

  bool flag(std::string_view name) {
    const auto value = take(name);
    if (!value) return false;
    if (const auto* flag = std::get_if<bool>(&*value)) return *flag;
    wrong(fmt::format("\"{}\" must be true or false", name));
    return false;
  }

  std::optional<Seconds> timeout() { return seconds("timeout", ", or null to wait for ever"); }

  Seconds age() { return seconds("age", "").value_or(Seconds(0)); }

  // Unknown names are refused: a misspelt timeout must not mean "for ever".
  [[nodiscard]] std::optional<Error> problem() const {
    if (problem_) return problem_;
    if (fields_.empty()) return std::nullopt;
    return Error{Errc::invalid_params, fmt::format("unknown parameter \"{}\"",
                                                   shorten(escape(fields_.front().name), 64))};
  }

 private:
  std::optional<Seconds> seconds(std::string_view name, std::string_view or_else) {
    const auto value = take(name);
    if (!value || std::holds_alternative<std::nullptr_t>(*value)) return std::nullopt;
    double seconds = -1;
    if (const auto* whole = std::get_if<std::uint64_t>(&*value))
      seconds = static_cast<double>(*whole);
    if (const auto* fraction = std::get_if<double>(&*value)) seconds = *fraction;
    // Minus zero is zero, also as "-0": what a computed timeout may well come to.
    if (const auto* negative = std::get_if<std::int64_t>(&*value))
      seconds = static_cast<double>(*negative);
    if (seconds >= 0 && seconds <= kMaxTimeoutSeconds) return Seconds(std::abs(seconds));
    wrong(fmt::format("\"{}\" must be a number of seconds from 0 to {:.0f}{}", name,
                      kMaxTimeoutSeconds, or_else));
    return std::nullopt;
  }

  std::optional<Value> take(std::string_view name) {
    const auto found = std::ranges::find(fields_, name, &Field::name);
    if (found == fields_.end()) return std::nullopt;
    std::optional<Value> value = std::move(found->value);
    fields_.erase(found);
    return value;
  }

  void wrong(std::string message) {
    if (!problem_) problem_ = Error{Errc::invalid_params, std::move(message)};
  }

  std::vector<Field> fields_;
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

std::expected<std::optional<RequestId>, Error> read_id(const Envelope& envelope) {
  const auto id = std::ranges::find(envelope.members, "id", &Field::name);
  if (id == envelope.members.end()) return std::nullopt;
  const auto* number = std::get_if<std::uint64_t>(&id->value);
  if (number == nullptr || *number > kMaxExactInteger) {
    return std::unexpected(
        Error{Errc::invalid_request,
              fmt::format("\"id\" must be a whole number from 0 to {}", kMaxExactInteger)});
  }
  return *number;
}

const std::string* text_member(const Envelope& envelope, std::string_view name) {
  const auto found = std::ranges::find(envelope.members, name, &Field::name);
  return found == envelope.members.end() ? nullptr : std::get_if<std::string>(&found->value);
}

std::expected<Call, Error> read_call(Envelope& envelope) {
  const auto* version = text_member(envelope, "jsonrpc");
  if (version == nullptr || *version != "2.0") {
    return std::unexpected(Error{Errc::invalid_request, "\"jsonrpc\" must be \"2.0\""});
  }
  const auto* name = text_member(envelope, "method");
  if (name == nullptr)
    return std::unexpected(Error{Errc::invalid_request, "\"method\" must be a string"});
  if (std::ranges::any_of(envelope.members,
                          [](const Field& member) { return member.name == "params"; })) {
    return std::unexpected(Error{Errc::invalid_request, "\"params\" must be an object"});
  }
  const auto method = std::ranges::find(kMethods, *name, &Method::name);
  if (method == kMethods.end()) {
    return std::unexpected(Error{Errc::unknown_method,
                                 fmt::format("unknown method \"{}\"", shorten(escape(*name), 64))});
  }
  Params params(std::move(envelope.params));
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
  template <typename Number>
  void number(std::string_view name, Number value) {
    start(name);
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }

 private:
  void start(std::string_view name) {
    fmt::format_to(std::back_inserter(out_), "{}\"{}\":", first_ ? "" : ",", name);
    first_ = false;
  }

  std::string& out_;
  bool first_ = true;
};

void write(ParamsWriter& out, const Hello& hello) {
  out.number("protocol", hello.protocol);
  out.text("client", hello.client);
  out.text("command", hello.command);
  if (hello.notices) out.number("notices", true);
}

void write(ParamsWriter& out, const Acquire& acquire) {
  out.text("path", acquire.path);
  out.text("mode", name_of(acquire.mode));
  if (acquire.timeout) out.number("timeout", acquire.timeout->count());
  out.text("reason", acquire.reason);
}

void write(ParamsWriter& out, const Reclaim& reclaim) {
  out.text("path", reclaim.path);
  out.text("mode", name_of(reclaim.mode));
  if (reclaim.timeout) out.number("timeout", reclaim.timeout->count());
  out.text("reason", reclaim.reason);
  if (reclaim.token) out.number("token", *reclaim.token);
  if (reclaim.ticket != 0) out.number("ticket", reclaim.ticket);
  out.number("age", reclaim.age.count());
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

}  // namespace

std::string_view method_of(const Call& call) {
  return kMethods[call.index()].name;
}

std::string_view name_of(Mode mode) {
  return mode == Mode::exclusive ? "exclusive" : "shared";
}

std::string encode(const Request& request) {
  std::string line = R"({"jsonrpc":"2.0",)";
  if (request.id) fmt::format_to(std::back_inserter(line), R"("id":{},)", *request.id);
  fmt::format_to(std::back_inserter(line), R"("method":"{}","params":{{)", method_of(request.call));
  ParamsWriter params(line);
  std::visit([&](const auto& call) { write(params, call); }, request.call);
  line += "}}\n";
  return line;
}

std::expected<Request, BadRequest> decode_request(std::string_view line) {
  Envelope envelope;
  const bool complete = nlohmann::json::sax_parse(line, &envelope);
  const auto* method = text_member(envelope, "method");
  const bool claim = method != nullptr && (*method == "acquire" || *method == "reclaim");
  const auto id = read_id(envelope);
  const auto bad = [&](Error error) {
    const bool notification = complete && method != nullptr && id && !*id;
    return std::unexpected(
        BadRequest{id.value_or(std::nullopt), std::move(error), claim, notification});
  };
  if (!complete) return bad(std::move(envelope.error));
  if (!id) return bad(id.error());
  auto call = read_call(envelope);
  if (!call) return bad(std::move(call.error()));
  return Request{*id, std::move(*call)};
}

}  // namespace locket::proto
