#include <cstdint>
#include <exception>
#include <new>
#include <nlohmann/json.hpp>
#include <system_error>
#include <type_traits>
#include <utility>

#include "proto/codec.hpp"
#include "proto/flat_json.hpp"
#include "proto/line.hpp"
#include "proto/scanner.hpp"
#include "proto/text.hpp"

namespace locket::proto {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Row& row) {
  Json json{
      {"lock", row.lock},
      {"ticket", row.ticket},
      {"path", row.path},
      {"device", row.file.device},
      {"inode", row.file.inode},
      {"state", row.state == Row::State::held ? "held" : "waiting"},
      {"mode", name_of(row.mode)},
      {"pid", row.pid},
      {"uid", row.uid},
      {"command", row.command},
      {"reason", row.reason},
      {"since", row.since},
      {"age", row.age},
  };
  if (row.state == Row::State::held) {
    json["token"] = row.token;
  } else {
    json["timeout"] = row.timeout ? Json(*row.timeout) : Json(nullptr);
    json["external"] = row.external;
  }
  return json;
}

Json to_json(const std::vector<Row>& rows) {
  Json json = Json::array();
  for (const Row& row : rows) json.push_back(to_json(row));
  return json;
}

Json body_of(const Done&) {
  return Json::object();
}

Json body_of(const Welcome& welcome) {
  Json json{{"protocol", welcome.protocol}, {"server", welcome.server}, {"pid", welcome.pid}};
  if (welcome.parking > 0) json["parking"] = welcome.parking;
  return json;
}

// append() writes these two itself.
Json body_of(const Grant&) {
  return {};
}
Json body_of(const Waiting&) {
  return {};
}

Json body_of(const Page& page) {
  Json json{{"rows", to_json(page.rows)}};
  if (page.next) {
    json["next"] = {{"after_lock", page.next->lock}, {"after_ticket", page.next->ticket}};
    if (page.next->waiting) json["next"]["after_waiting"] = true;
  }
  return json;
}

Json to_json(const Share& share) {
  return {{"has", share.has}, {"limit", share.limit}};
}

Json to_json(const UserShares& user) {
  return {{"sessions", to_json(user.sessions)},
          {"held", to_json(user.held)},
          {"waiting", to_json(user.waiting)},
          {"text", to_json(user.text)},
          {"descriptors", to_json(user.descriptors)}};
}

Json body_of(const StatusReport& report) {
  return {{"version", report.version},
          {"socket", report.socket},
          {"pid", report.pid},
          {"uptime", report.uptime},
          {"sessions", report.sessions},
          {"locks", report.locks},
          {"holders", report.holders},
          {"waiters", report.waiters},
          {"grants", report.grants},
          {"descriptors", report.descriptors},
          {"descriptor_limit", report.descriptor_limit},
          {"user", to_json(report.user)}};
}

Json body_of(const Failure& failure) {
  Json json{{"code", wire_code(failure.error.code)}, {"message", failure.error.message}};
  Json data{{"name", name_of(failure.error.code)}};
  if (failure.protocol) data["protocol"] = *failure.protocol;
  if (const auto& refusal = failure.refusal) {
    data["path"] = refusal->path;
    data["device"] = refusal->file.device;
    data["inode"] = refusal->file.inode;
    data["holders"] = to_json(refusal->holders);
    data["holder_count"] = refusal->holder_count;
    data["waiters"] = refusal->waiters;
    data["external"] = refusal->external;
  }
  json["data"] = std::move(data);
  return json;
}

// Answers are read as carefully as the daemon reads requests: the daemon that LOCKET_SOCKET names
// may be anyone's.
struct Malformed : std::exception {};

std::string text_in(const Json& json, const char* name) {
  return printable(json.value(name, ""));
}

// nlohmann would convert a number that does not fit.
template <typename Number>
Number number_from(const Json& json) {
  if constexpr (std::is_floating_point_v<Number>) {
    return json.get<Number>();
  } else if (json.is_number_unsigned() && std::in_range<Number>(json.get<std::uint64_t>())) {
    return static_cast<Number>(json.get<std::uint64_t>());
  } else if (json.is_number_integer() && std::in_range<Number>(json.get<std::int64_t>())) {
    return static_cast<Number>(json.get<std::int64_t>());
  }
  throw Malformed();
}

template <typename Number>
Number number_in(const Json& json, const char* name) {
  if (!json.is_object()) throw Malformed();
  const auto found = json.find(name);
  return found == json.end() ? Number{0} : number_from<Number>(*found);
}

FileId file_in(const Json& json) {
  return {number_in<std::uint64_t>(json, "device"), number_in<std::uint64_t>(json, "inode")};
}

Row row_from(const Json& json) {
  Row row;
  row.lock = number_in<std::uint64_t>(json, "lock");
  row.ticket = number_in<Ticket>(json, "ticket");
  row.path = text_in(json, "path");
  row.file = file_in(json);
  row.state = json.value("state", "") == "waiting" ? Row::State::waiting : Row::State::held;
  row.mode = json.value("mode", "") == "shared" ? Mode::shared : Mode::exclusive;
  row.external = json.value("external", false);
  row.pid = number_in<std::int64_t>(json, "pid");
  row.uid = number_in<std::uint32_t>(json, "uid");
  row.command = text_in(json, "command");
  row.reason = text_in(json, "reason");
  row.since = number_in<double>(json, "since");
  row.age = number_in<double>(json, "age");
  row.token = number_in<Token>(json, "token");
  if (const auto timeout = json.find("timeout"); timeout != json.end() && timeout->is_number()) {
    row.timeout = timeout->get<double>();
  }
  return row;
}

std::vector<Row> rows_from(const Json& json) {
  std::vector<Row> rows;
  rows.reserve(json.size());
  for (const Json& row : json) rows.push_back(row_from(row));
  return rows;
}

Page page_from(const Json& json) {
  Page page{rows_from(json.at("rows")), std::nullopt};
  if (const auto next = json.find("next"); next != json.end()) {
    page.next =
        Cursor{number_in<std::uint64_t>(*next, "after_lock"),
               number_in<Ticket>(*next, "after_ticket"), next->value("after_waiting", false)};
  }
  return page;
}

Share share_in(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end()) return {};
  return {number_in<std::uint64_t>(*found, "has"), number_in<std::uint64_t>(*found, "limit")};
}

UserShares shares_in(const Json& json) {
  if (!json.is_object()) throw Malformed();
  return {share_in(json, "sessions"), share_in(json, "held"), share_in(json, "waiting"),
          share_in(json, "text"), share_in(json, "descriptors")};
}

StatusReport status_from(const Json& json) {
  StatusReport report;
  report.version = text_in(json, "version");
  report.socket = text_in(json, "socket");
  report.pid = number_in<std::int64_t>(json, "pid");
  report.uptime = number_in<double>(json, "uptime");
  report.sessions = number_in<std::uint64_t>(json, "sessions");
  report.locks = number_in<std::uint64_t>(json, "locks");
  report.holders = number_in<std::uint64_t>(json, "holders");
  report.waiters = number_in<std::uint64_t>(json, "waiters");
  report.grants = number_in<std::uint64_t>(json, "grants");
  report.descriptors = number_in<std::uint64_t>(json, "descriptors");
  report.descriptor_limit = number_in<std::uint64_t>(json, "descriptor_limit");
  if (const auto user = json.find("user"); user != json.end()) report.user = shares_in(*user);
  return report;
}

// A result does not name its kind; each kind is known by a member of its own.
Answer result_from(const Json& json) {
  if (json.contains("token")) return Grant{number_from<Token>(json["token"])};
  if (json.contains("rows")) return page_from(json);
  if (json.contains("protocol")) {
    return Welcome{number_from<int>(json["protocol"]), text_in(json, "server"),
                   number_in<std::int64_t>(json, "pid"), number_in<std::uint64_t>(json, "parking")};
  }
  if (json.contains("uptime")) return status_from(json);
  return Done{};
}

Failure failure_from(const Json& json) {
  Failure failure;
  failure.error.code =
      from_wire_code(number_from<int>(json.at("code"))).value_or(Errc::internal_error);
  failure.error.message = text_in(json, "message");
  const auto data = json.find("data");
  if (data == json.end()) return failure;
  if (data->contains("protocol")) failure.protocol = number_from<int>(data->at("protocol"));
  if (!data->contains("holders")) return failure;
  Refusal& refusal = failure.refusal.emplace();
  refusal.path = text_in(*data, "path");
  refusal.file = file_in(*data);
  refusal.holders = rows_from(data->at("holders"));
  refusal.holder_count = number_in<std::uint64_t>(*data, "holder_count");
  refusal.waiters = number_in<std::uint64_t>(*data, "waiters");
  refusal.external = data->value("external", false);
  return failure;
}

// A notice of an unknown kind is about no request, and so is ignored.
Reply notice_from(const Json& json) {
  if (json["method"] != "waiting") return {std::nullopt, Done{}};
  const Json& params = json.at("params");
  return {number_from<RequestId>(params.at("id")),
          Waiting{number_from<Ticket>(params.at("ticket"))}};
}

constexpr std::string_view kBeforeId = R"({"jsonrpc":"2.0","id":)";
constexpr std::string_view kBeforeToken = R"(,"result":{"token":)";

void append_id(Line& line, const std::optional<RequestId>& id) {
  if (id) {
    line.append_number(*id);
  } else {
    line += "null";
  }
}

std::optional<std::uint64_t> number_of(const FlatFields& fields, std::string_view name) {
  const FlatField* const field = fields.find(name);
  const auto* number = field != nullptr ? std::get_if<std::uint64_t>(&field->value) : nullptr;
  return number != nullptr ? std::optional(*number) : std::nullopt;
}

// A grant exactly as append() writes it.
std::optional<Reply> grant_of_ours(std::string_view line) {
  Scanner scanner(line);
  if (!scanner.take(kBeforeId)) return std::nullopt;
  const auto id = scanner.take_number();
  if (!id || !scanner.take(kBeforeToken)) return std::nullopt;
  const auto token = scanner.take_number();
  if (!token || !scanner.take("}}") || !scanner.is_at_end()) return std::nullopt;
  return Reply{id, Grant{*token}};
}

// The other answers that locks bring, if they have no further members: a tenth of the work of a
// thorough reading.
std::optional<Reply> usual_reply(std::string_view line) {
  FlatObject object;
  if (!read_flat(line, object)) return std::nullopt;
  const auto& [members, inner_name, inner] = object;
  if (members.all().size() != 2 || members.find("jsonrpc") == nullptr) return std::nullopt;
  // Welcome is among them: at a restart there may be no memory, which a thorough reading needs.
  const auto parking = number_of(inner, "parking");
  if (inner_name == "result" && inner.all().size() == (parking ? 4 : 3)) {
    const auto id = number_of(members, "id");
    const auto protocol = number_of(inner, "protocol");
    const FlatField* const server = inner.find("server");
    const auto pid = number_of(inner, "pid");
    const auto* name = server != nullptr ? std::get_if<std::string_view>(&server->value) : nullptr;
    const bool fits =
        protocol && pid && std::in_range<int>(*protocol) && std::in_range<std::int64_t>(*pid);
    if (id && name != nullptr && fits) {
      return Reply{id, Welcome{static_cast<int>(*protocol), std::string(*name),
                               static_cast<std::int64_t>(*pid), parking.value_or(0)}};
    }
  }
  if (inner_name == "params" && inner.all().size() == 2) {
    const FlatField* const method = members.find("method");
    const auto id = number_of(inner, "id");
    const auto ticket = number_of(inner, "ticket");
    const bool waiting = method != nullptr && method->value == FlatValue("waiting");
    if (waiting && id && ticket) return Reply{id, Waiting{*ticket}};
  }
  return std::nullopt;
}

void append_body(Line& line, const Reply& reply) {
  const bool failed = std::holds_alternative<Failure>(reply.answer);
  const Json body = std::visit([](const auto& answer) { return body_of(answer); }, reply.answer);
  line += kBeforeId;
  append_id(line, reply.id);
  line += failed ? R"(,"error":)" : R"(,"result":)";
  // Texts are escaped before they come here; `replace` is the second line of defence.
  line += body.dump(-1, ' ', false, Json::error_handler_t::replace);
  line += "}\n";
}

}  // namespace

void append(std::string& out, const Reply& reply) {
  Line line;
  if (const auto* grant = std::get_if<Grant>(&reply.answer)) {
    line += kBeforeId;
    append_id(line, reply.id);
    line += kBeforeToken;
    line.append_number(grant->token);
    line += "}}\n";
  } else if (const auto* waiting = std::get_if<Waiting>(&reply.answer)) {
    line += R"({"jsonrpc":"2.0","method":"waiting","params":{"id":)";
    append_id(line, reply.id);
    line += R"(,"ticket":)";
    line.append_number(waiting->ticket);
    line += "}}\n";
  } else {
    append_body(line, reply);
  }
  out += line.view();
}

std::string encode(const Reply& reply) {
  std::string line;
  append(line, reply);
  return line;
}

std::optional<RequestId> id_of_reply(std::string_view line) {
  Scanner scanner(line);
  if (!scanner.take(kBeforeId)) return std::nullopt;
  const auto id = scanner.take_number();
  return scanner.take(",") ? id : std::nullopt;
}

std::expected<Reply, Error> decode_reply(std::string_view line) {
  const auto malformed = [] {
    return std::unexpected(Error{Errc::parse_error, "the daemon's answer is malformed"});
  };
  if (auto grant = grant_of_ours(line)) return std::move(*grant);
  if (auto reply = usual_reply(line)) return std::move(*reply);
  // Destroying a document takes memory too, and ends the program if there is none. If it is missing
  // here, that is an exception.
  const std::size_t enough = 4096 + 16 * line.size();
  ::operator delete(::operator new(enough));
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return malformed();
  // nlohmann reports a member of the wrong type by exception only, and so do we.
  try {
    if (json.contains("method")) return notice_from(json);
    Reply reply;
    if (const auto id = json.find("id"); id != json.end() && id->is_number_unsigned())
      reply.id = id->get<RequestId>();
    if (const auto error = json.find("error"); error != json.end()) {
      reply.answer = failure_from(*error);
    } else {
      const Json& result = json.at("result");
      if (!result.is_object()) return malformed();
      reply.answer = result_from(result);
    }
    return reply;
  } catch (const Json::exception&) {
    return malformed();
  } catch (const Malformed&) {
    return malformed();
  }
}

}  // namespace locket::proto
