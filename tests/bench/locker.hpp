// One way to take and give back a lock, as a user of it would: with its own client library, one
// connection that stays, and what can be prepared prepared. Each is a class in lockers/.

#pragma once

#include <memory>
#include <string>
#include <vector>

namespace locket::bench {

class Locker {
 public:
  Locker() = default;
  Locker(const Locker&) = delete;
  Locker& operator=(const Locker&) = delete;
  virtual ~Locker() = default;

  virtual void acquire() = 0;
  virtual void release() = 0;
};

// `server` is what its service answers at; `name` the lock's: a path, a key or a number.
using MakeLocker = std::unique_ptr<Locker> (*)(const std::string& server, const std::string& name);

std::unique_ptr<Locker> make_locket(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_floor(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_flock(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_redis(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_postgres(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_etcd(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_ping(const std::string& server, const std::string& name);

// None where no locker has that name.
MakeLocker find_locker(const std::string& kind);

}  // namespace locket::bench
