// What the cases share: the folder, the services, how much to do, and the results.
//
// Owned by main; lives as long as the program. Services start when first asked for and then stay,
// so that rounds can alternate between them.

#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "tests/bench/options.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/services.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::bench {

class Run {
 public:
  explicit Run(const Options& options) : quick_(options.quick), rounds_(options.rounds) {
    report_.quick = options.quick;
  }

  [[nodiscard]] const test::TemporaryFolder& folder() const { return folder_; }
  [[nodiscard]] unsigned rounds() const { return rounds_; }

  // The number itself, or a small share of it if the run need only show that it works.
  [[nodiscard]] unsigned some(unsigned number) const;

  // By the locker's kind.
  Service& service(const std::string& kind);

  // As many as wanted, or as many as this process's descriptor limit allows if each takes that
  // many.
  [[nodiscard]] unsigned as_many_as(unsigned wanted, unsigned descriptors_each) const;

  void add(Result result);
  void add(Chart chart) { report_.charts.push_back(std::move(chart)); }
  [[nodiscard]] const Report& report() const { return report_; }

 private:
  test::TemporaryFolder folder_;
  bool quick_;
  unsigned rounds_;
  std::map<std::string, ServicePtr> services_;
  Report report_;
};

// Each measures one property of ours beside others' and adds its results.
void measure_pairs(Run& run);
void measure_busy(Run& run);
void measure_handoffs(Run& run);
void measure_throughput(Run& run);
void measure_flatness(Run& run);
void measure_memory(Run& run);
void measure_programs(Run& run);
void measure_idleness(Run& run);
void measure_storm(Run& run);

struct Case {
  std::string_view name;
  std::string_view what;
  void (*measure)(Run& run);
};

inline constexpr std::array kCases = {
    Case{"pairs",
         "acquire and release, nobody else there: redis, postgres, etcd, flock(2), the floor",
         measure_pairs},
    Case{"busy", "a pair now and then, while others compute: redis, postgres", measure_busy},
    Case{"handoffs", "release in one process to acquire in another: postgres, locket.py, filelock",
         measure_handoffs},
    Case{"throughput", "16 and 64 clients at once, and threads in place of processes: redis",
         measure_throughput},
    Case{"flatness", "with thousands of waiters, of locks, of deadlines", measure_flatness},
    Case{"memory", "the daemon's bytes a lock, a session, a waiter", measure_memory},
    Case{"programs", "whole processes: locketctl run and flock(1), locketd and redis-server",
         measure_programs},
    Case{"idle", "what the daemon does while nobody wants anything", measure_idleness},
    Case{"storm", "thousands of holders die at once", measure_storm},
};

}  // namespace locket::bench
