#include "proto/request_json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "proto/text.hpp"

namespace locket::proto {

// A request is two flat objects, one in the other. Anything else is refused while it is read, so
// that no input makes us build or recurse more than its own line is long.
class RequestJson::Envelope final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Envelope(FlatObject& object, std::deque<std::string>& texts) : object_(object), texts_(texts) {}

  [[nodiscard]] Error take_error() { return std::move(error_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override { return add(std::uint64_t{value}); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(keep(std::move(value))); }
  bool binary(binary_t&) override {
    return refuse(Errc::parse_error, "binary values are not JSON");
  }

  bool start_object(std::size_t) override {
    ++depth_;
    if (depth_ == 1) return true;
    if (depth_ == kMaxNesting && key_ == "params") {
      object_.inner_name = key_;
      return true;
    }
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
    const bool again = depth_ == 1 && name == "params" && std::exchange(has_params_, true);
    if (again || fields().find(name) != nullptr) {
      return refuse(Errc::invalid_request,
                    fmt::format("\"{}\" is given twice", shorten(escape(name), 64)));
    }
    if (fields().all().size() == kMaxMembers) {
      return refuse(Errc::invalid_request,
                    fmt::format("an object has more than {} members", kMaxMembers));
    }
    key_ = keep(std::move(name));
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return refuse(Errc::parse_error, fmt::format("not valid JSON, at byte {}", position));
  }

 private:
  FlatFields& fields() { return depth_ == 1 ? object_.members : object_.inner; }

  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  bool add(const FlatValue& value) {
    if (depth_ == 0) return refuse(Errc::invalid_request, "a request is a JSON object");
    return fields().add(key_, value);  // key() has seen that there is room
  }
  bool refuse(Errc code, std::string message) {
    error_ = {code, std::move(message)};
    return false;
  }

  FlatObject& object_;
  std::deque<std::string>& texts_;
  Error error_;
  int depth_ = 0;
  std::string_view key_;
  bool has_params_ = false;
};

std::expected<void, Error> RequestJson::read(std::string_view line, FlatObject& object) {
  object = {};
  texts_.clear();
  Envelope envelope(object, texts_);
  if (nlohmann::json::sax_parse(line, &envelope)) return {};
  return std::unexpected(envelope.take_error());
}

}  // namespace locket::proto
