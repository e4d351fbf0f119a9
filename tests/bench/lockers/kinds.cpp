#include <array>
#include <utility>

#include "tests/bench/locker.hpp"

namespace locket::bench {

MakeLocker find_locker(const std::string& kind) {
  static constexpr std::array<std::pair<const char*, MakeLocker>, 7> kKinds{{
      {"locket", make_locket},
      {"floor", make_floor},
      {"flock", make_flock},
      {"redis", make_redis},
      {"postgres", make_postgres},
      {"etcd", make_etcd},
      {"ping", make_ping},
  }};
  for (const auto& [name, make] : kKinds) {
    if (kind == name) return make;
  }
  return nullptr;
}

}  // namespace locket::bench
