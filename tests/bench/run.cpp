#include "tests/bench/run.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <stdexcept>

namespace locket::bench {
namespace {

ServicePtr start(const std::string& kind, const test::TemporaryFolder& folder) {
  if (kind == "locket") return start_locketd(folder);
  if (kind == "floor") return start_floor(folder);
  if (kind == "redis") return start_redis(folder);
  if (kind == "postgres") return start_postgres(folder);
  if (kind == "etcd") return start_etcd(folder);
  throw std::invalid_argument("no service " + kind);
}

}  // namespace

unsigned Run::some(unsigned number) const {
  constexpr unsigned kShare = 20;
  constexpr unsigned kLeast = 5;
  return quick_ ? std::max(number / kShare, kLeast) : number;
}

Service& Run::service(const std::string& kind) {
  ServicePtr& service = services_[kind];
  if (!service) service = start(kind, folder_);
  return *service;
}

unsigned Run::as_many_as(unsigned wanted, unsigned descriptors_each) const {
  constexpr rlim_t kForTheRest = 500;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t room = (limit.rlim_max - std::min(limit.rlim_max, kForTheRest)) / descriptors_each;
  return static_cast<unsigned>(std::min<rlim_t>(some(wanted), room));
}

void Run::add(Result result) {
  print_line(result);
  report_.results.push_back(std::move(result));
}

}  // namespace locket::bench
