// SET key NX PX and DEL: https://redis.io/docs/latest/commands/set/ (its section on locks).

#include <hiredis/hiredis.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "tests/bench/locker.hpp"

namespace locket::bench {
namespace {

struct Deleter {
  void operator()(redisContext* context) const { redisFree(context); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

class Redis : public Locker {
 public:
  Redis(const std::string& socket, std::string key)
      : key_(std::move(key)), context_(redisConnectUnix(socket.c_str())) {
    if (!context_ || context_->err != 0) throw std::runtime_error("redis: no connection");
  }

  void acquire() override {
    const auto reply = command("SET %s owner NX PX 30000");
    if (reply->type != REDIS_REPLY_STATUS) throw std::runtime_error("redis: not had");
  }
  void release() override { command("DEL %s"); }

 private:
  std::unique_ptr<redisReply, Deleter> command(const char* text) {
    auto* reply = redisCommand(context_.get(), text, key_.c_str());
    if (reply == nullptr) throw std::runtime_error(std::string("redis: ") + context_->errstr);
    return std::unique_ptr<redisReply, Deleter>(static_cast<redisReply*>(reply));
  }

  std::string key_;
  std::unique_ptr<redisContext, Deleter> context_;
};

}  // namespace

std::unique_ptr<Locker> make_redis(const std::string& server, const std::string& name) {
  return std::make_unique<Redis>(server, name);
}

}  // namespace locket::bench
