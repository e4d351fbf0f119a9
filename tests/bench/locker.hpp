// One way to take and give back a lock, as its users would: with its own client library, one
// lasting connection, and everything prepared that can be. Each is a class in lockers/.

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

// `server` is where its service answers; `name` is the lock's: a path, a key or a number.
using MakeLocker = std::unique_ptr<Locker> (*)(const std::string& server, const std::string& name);

std::unique_ptr<Locker> make_locket(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_floor(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_flock(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_redis(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_postgres(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_etcd(const std::string& server, const std::string& name);
std::unique_ptr<Locker> make_ping(const std::string& server, const std::string& name);

// None if no locker has that name.
MakeLocker find_locker(const std::string& kind);

}  // namespace locket::bench
