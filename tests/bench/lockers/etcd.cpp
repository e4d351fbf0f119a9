// v3 locks through etcd's HTTP gateway, over one lasting connection:
// https://etcd.io/docs/v3.4/dev-guide/api_concurrency_reference_v3/

#include <curl/curl.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/bench/locker.hpp"

namespace locket::bench {
namespace {

using Json = nlohmann::json;

struct Deleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

// https://www.rfc-editor.org/rfc/rfc4648#section-4
std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  unsigned bits = 0;
  unsigned count = 0;
  for (const char byte : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) text += kDigits[(bits >> (count - 6)) & 63U];
  }
  if (count > 0) text += kDigits[(bits << (6 - count)) & 63U];
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

class Etcd : public Locker {
 public:
  Etcd(std::string server, std::string_view name)
      : server_(std::move(server)), handle_(curl_easy_init()), name_(base64(name)) {
    lease_ = call("/v3/lease/grant", {{"TTL", 600}}).at("ID");
  }

  void acquire() override {
    key_ = call("/v3/lock/lock", {{"name", name_}, {"lease", lease_}}).at("key");
  }
  void release() override { call("/v3/lock/unlock", {{"key", key_}}); }

 private:
  static std::size_t append(const char* bytes, std::size_t size, std::size_t count, void* to) {
    static_cast<std::string*>(to)->append(bytes, size * count);
    return size * count;
  }

  Json call(const std::string& method, const Json& request) {
    const std::string body = request.dump();
    const std::string url = server_ + method;
    std::string answer;
    curl_easy_setopt(handle_.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle_.get(), CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(handle_.get(), CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(handle_.get(), CURLOPT_WRITEDATA, &answer);
    if (const CURLcode code = curl_easy_perform(handle_.get()); code != CURLE_OK) {
      throw std::runtime_error(std::string("etcd: ") + curl_easy_strerror(code));
    }
    return Json::parse(answer);
  }

  std::string server_;
  std::unique_ptr<CURL, Deleter> handle_;
  std::string name_;
  std::string lease_;
  std::string key_;
};

}  // namespace

std::unique_ptr<Locker> make_etcd(const std::string& server, const std::string& name) {
  return std::make_unique<Etcd>(server, name);
}

}  // namespace locket::bench
