#include "tests/chaos/arena.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <new>
#include <system_error>
#include <utility>

namespace locket::chaos {
namespace {

template <typename Value>
void raise_atomic(Shared<Value>& most, Value value) {
  Value before = most;
  while (before < value && !most.compare_exchange_weak(before, value)) {
  }
}

void* map(int memory) {
  void* mapped = ::mmap(nullptr, sizeof(World), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (mapped == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  return mapped;
}

}  // namespace

Nanoseconds now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

void raise_to(Shared<Nanoseconds>& most, Nanoseconds value) {
  raise_atomic(most, value);
}

void raise_to(Shared<std::uint64_t>& most, std::uint64_t value) {
  raise_atomic(most, value);
}

Arena::Arena(proto::Descriptor memory, World* world, std::string path)
    : memory_(std::move(memory)), world_(world), path_(std::move(path)) {}

Arena::Arena(Arena&& other) noexcept
    : memory_(std::move(other.memory_)),
      world_(std::exchange(other.world_, nullptr)),
      path_(std::move(other.path_)) {}

Arena::~Arena() {
  if (world_ != nullptr) ::munmap(world_, sizeof(World));
}

Arena Arena::make() {
  proto::Descriptor memory(::memfd_create("arena", MFD_CLOEXEC));
  if (!memory || ::ftruncate(memory.get(), sizeof(World)) != 0) {
    throw std::system_error(errno, std::generic_category(), "memfd_create");
  }
  auto* world = new (map(memory.get())) World{};
  std::string path = fmt::format("/proc/{}/fd/{}", ::getpid(), memory.get());
  return {std::move(memory), world, std::move(path)};
}

Arena Arena::at(const std::string& path) {
  proto::Descriptor memory(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!memory) throw std::system_error(errno, std::generic_category(), path);
  // Constructed there by another process, which runs this same program.
  auto* world = std::launder(static_cast<World*>(map(memory.get())));
  return {std::move(memory), world, path};
}

}  // namespace locket::chaos
