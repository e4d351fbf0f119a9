#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "proto/codec.hpp"

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
  return {{"protocol", welcome.protocol}, {"server", welcome.server}, {"pid", welcome.pid}};
}

Json body_of(const Grant& grant) {
  return {{"token", grant.token}};
}

Json body_of(const Waiting&) {
  return {};  // not an answer: encode() has its own form for it
}

Json body_of(const Page& page) {
  Json json{{"rows", to_json(page.rows)}};
  if (page.next)
    json["next"] = {{"after_lock", page.next->lock}, {"after_ticket", page.next->ticket}};
  return json;
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
          {"descriptor_limit", report.descriptor_limit}};
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

Row row_from(const Json& json) {
  Row row;
  row.lock = json.value("lock", row.lock);
  row.ticket = json.value("ticket", row.ticket);
  row.path = json.value("path", "");
  row.file = {json.value("device", std::uint64_t{0}), json.value("inode", std::uint64_t{0})};
  row.state = json.value("state", "") == "waiting" ? Row::State::waiting : Row::State::held;
  row.mode = json.value("mode", "") == "shared" ? Mode::shared : Mode::exclusive;
  row.external = json.value("external", false);
  row.pid = json.value("pid", row.pid);
  row.uid = json.value("uid", row.uid);
  row.command = json.value("command", "");
  row.reason = json.value("reason", "");
  row.since = json.value("since", 0.0);
  row.age = json.value("age", 0.0);
  row.token = json.value("token", Token{0});
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
    page.next = Cursor{next->value("after_lock", std::uint64_t{0}),
                       next->value("after_ticket", std::uint64_t{0})};
  }
  return page;
}

StatusReport status_from(const Json& json) {
  StatusReport report;
  report.version = json.value("version", "");
  report.socket = json.value("socket", "");
  report.pid = json.value("pid", report.pid);
  report.uptime = json.value("uptime", 0.0);
  report.sessions = json.value("sessions", report.sessions);
  report.locks = json.value("locks", report.locks);
  report.holders = json.value("holders", report.holders);
  report.waiters = json.value("waiters", report.waiters);
  report.grants = json.value("grants", report.grants);
  report.descriptors = json.value("descriptors", report.descriptors);
  report.descriptor_limit = json.value("descriptor_limit", report.descriptor_limit);
  return report;
}

// A result does not name its kind; each kind has a member of its own by which it is known.
Answer result_from(const Json& json) {
  if (json.contains("token")) return Grant{json["token"].get<Token>()};
  if (json.contains("rows")) return page_from(json);
  if (json.contains("protocol")) {
    return Welcome{json["protocol"].get<int>(), json.value("server", ""),
                   json.value("pid", std::int64_t{0})};
  }
  if (json.contains("uptime")) return status_from(json);
  return Done{};
}

Failure failure_from(const Json& json) {
  Failure failure;
  failure.error.code = from_wire_code(json.at("code").get<int>()).value_or(Errc::internal_error);
  failure.error.message = json.value("message", "");
  const auto data = json.find("data");
  if (data == json.end()) return failure;
  if (data->contains("protocol")) failure.protocol = data->at("protocol").get<int>();
  if (!data->contains("holders")) return failure;
  Refusal& refusal = failure.refusal.emplace();
  refusal.path = data->value("path", "");
  refusal.file = {data->value("device", std::uint64_t{0}), data->value("inode", std::uint64_t{0})};
  refusal.holders = rows_from(data->at("holders"));
  refusal.holder_count = data->value("holder_count", std::uint64_t{0});
  refusal.waiters = data->value("waiters", std::uint64_t{0});
  refusal.external = data->value("external", false);
  return failure;
}

// One of a kind that is not known yet is about no request, and so of no interest.
Reply notice_from(const Json& json) {
  if (json["method"] != "waiting") return {std::nullopt, Done{}};
  const Json& params = json.at("params");
  return {params.at("id").get<RequestId>(), Waiting{params.at("ticket").get<Ticket>()}};
}

std::string with_id(const std::optional<RequestId>& id) {
  return id ? std::to_string(*id) : std::string("null");
}

}  // namespace

std::string encode(const Reply& reply) {
  if (const auto* grant = std::get_if<Grant>(&reply.answer); grant != nullptr && reply.id) {
    return fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"token\":{}}}}}\n", *reply.id,
                       grant->token);
  }
  if (const auto* waiting = std::get_if<Waiting>(&reply.answer)) {
    return fmt::format(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"waiting\",\"params\":{{\"id\":{},\"ticket\":{}}}}}\n",
        with_id(reply.id), waiting->ticket);
  }
  const bool failed = std::holds_alternative<Failure>(reply.answer);
  const Json body = std::visit([](const auto& answer) { return body_of(answer); }, reply.answer);
  // Texts are escaped before they come here; `replace` is the second line of defence.
  return fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"{}\":{}}}\n", with_id(reply.id),
                     failed ? "error" : "result",
                     body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::expected<Reply, Error> decode_reply(std::string_view line) {
  const auto malformed = [] {
    return std::unexpected(Error{Errc::parse_error, "the daemon's answer is malformed"});
  };
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return malformed();
  // nlohmann reports a member of the wrong type by exception only.
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
  }
}

}  // namespace locket::proto
