#include <dlfcn.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <optional>

#include "tests/bench/calls.hpp"
#include "tests/support/process_facts.hpp"

namespace locket::bench {
namespace {

template <typename Number>
std::optional<Number> number_in(const char* file) {
  Number number{};
  if (std::ifstream(file) >> number) return number;
  return std::nullopt;
}

std::optional<perf_event_attr> calls_to_kernel() {
  const auto id = number_in<std::uint64_t>("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id");
  if (!id) return std::nullopt;
  perf_event_attr event{};
  event.type = PERF_TYPE_TRACEPOINT;
  event.config = *id;
  return event;
}

// In this process's C library, which the counted processes share.
std::optional<perf_event_attr> calls_to_malloc() {
  const auto type = number_in<std::uint32_t>("/sys/bus/event_source/devices/uprobe/type");
  const void* const function = ::dlsym(RTLD_DEFAULT, "malloc");
  Dl_info library{};
  if (!type || ::dladdr(function, &library) == 0) return std::nullopt;
  perf_event_attr event{};
  event.type = *type;
  event.config1 = reinterpret_cast<std::uintptr_t>(library.dli_fname);
  event.config2 = reinterpret_cast<std::uintptr_t>(function) -
                  reinterpret_cast<std::uintptr_t>(library.dli_fbase);
  return event;
}

}  // namespace

std::optional<Calls> Calls::count(To what, const std::vector<pid_t>& processes) {
  auto event = what == To::kernel ? calls_to_kernel() : calls_to_malloc();
  if (!event) return std::nullopt;
  event->size = sizeof *event;
  Calls calls;
  for (const pid_t process : processes) {
    for (const pid_t thread : test::threads_of(process)) {
      const long counter =
          ::syscall(SYS_perf_event_open, &*event, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
      if (counter < 0) return std::nullopt;
      calls.counters_.emplace_back(static_cast<int>(counter));
    }
  }
  return calls;
}

std::uint64_t Calls::so_far() const {
  std::uint64_t sum = 0;
  for (const proto::Descriptor& counter : counters_) {
    std::uint64_t count = 0;
    if (::read(counter.get(), &count, sizeof count) == sizeof count) sum += count;
  }
  return sum;
}

}  // namespace locket::bench
