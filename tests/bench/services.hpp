// The services to compare, started in a folder of the run and stopped with it.

#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::bench {

// Owned by the run or a case. Answers from construction on.
class Service {
 public:
  // `server` is what a locker of that kind needs to know.
  Service(std::string kind, std::string server, const test::Command& command);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  [[nodiscard]] const std::string& kind() const { return kind_; }
  [[nodiscard]] const std::string& server() const { return server_; }

  // Its own process and those it started.
  [[nodiscard]] std::vector<pid_t> processes() const;
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

 private:
  std::string kind_;
  std::string server_;
  std::unique_ptr<test::Child> process_;
};

using ServicePtr = std::unique_ptr<Service>;

// Each takes its own folder in `folder`, with that name.
ServicePtr start_locketd(const test::TemporaryFolder& folder, const std::string& name = "locketd");
ServicePtr start_floor(const test::TemporaryFolder& folder, const std::string& name = "floor");
ServicePtr start_floor_for_many(const test::TemporaryFolder& folder);
ServicePtr start_redis(const test::TemporaryFolder& folder, const std::string& name = "redis");
ServicePtr start_postgres(const test::TemporaryFolder& folder);
ServicePtr start_etcd(const test::TemporaryFolder& folder);

test::Command redis_command(const std::string& folder, const std::string& socket);

}  // namespace locket::bench
