// Whole sessions against the real dispatch and arbiter: the input is a program, byte for byte, of
// what three clients, the kernel and the clock do. daemon_world.hpp says what must hold.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "daemon/log.hpp"
#include "proto/codec.hpp"
#include "proto/lock_file.hpp"
#include "tests/fuzz/daemon_world.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace locket::fuzz {
namespace {

using namespace std::chrono_literals;
using namespace locket::proto;

constexpr std::size_t kFiles = 3;

// Some files, and one thing that is not a file. Opened once, since programs pass descriptors most.
int open_descriptor(std::size_t which) {
  static const std::array<int, kFiles + 1> descriptors = [] {
    std::array<int, kFiles + 1> all{};
    for (std::size_t i = 0; i < kFiles; ++i) all[i] = ::memfd_create("fuzz", MFD_CLOEXEC);
    all[kFiles] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return all;
  }();
  return descriptors.at(which);
}

FileId file_id(std::size_t which) {
  static const std::array<FileId, kFiles> ids = [] {
    std::array<FileId, kFiles> all{};
    for (std::size_t i = 0; i < kFiles; ++i) all[i] = identify(open_descriptor(i)).value();
    return all;
  }();
  return ids.at(which);
}

class Program {
 public:
  explicit Program(std::string_view bytes) : input_(bytes) {}

  void run() {
    world_.kernel().prompt = input_.flag();
    if (input_.flag()) world_.recover();
    // Most of what can be found lies behind the greeting.
    const std::size_t greeted = input_.below(DaemonWorld::kClients + 1);
    for (std::size_t client = 0; client < greeted; ++client) {
      world_.open(client);
      world_.say(client, encode(Request{0, Hello{kProtocolVersion, "fuzz", {}, input_.flag()}}),
                 {});
    }
    while (!input_.empty()) {
      step();
      world_.settle();  // as the loop does after each batch
      world_.check();
    }
    world_.finish();
  }

 private:
  void step() {
    const std::size_t operation = input_.below(16);
    const std::size_t client = input_.below(DaemonWorld::kClients);
    switch (operation) {
      case 0:
        return world_.open(client);
      case 1:
        return say_bytes(client);
      case 2:
      case 3:
      case 4:
      case 5:
        say_request(client);
        return world_.hear(client);
      case 6:
        return say_request(client);  // for drain() to find
      case 7:
        return world_.hear(client);
      case 8:
      case 9:
      case 10:
        return answer();
      case 11:
        return pass();
      case 12:
        return;  // one turn of the loop
      case 13:
        return world_.end_connection(client);
      case 14:
        return world_.die(client);
      default:
        return world_.kernel().external(file_id(input_.below(kFiles)), mode());
    }
  }

  Mode mode() { return input_.flag() ? Mode::shared : Mode::exclusive; }

  void say_bytes(std::size_t client) {
    world_.misbehave(client);
    std::string bytes(input_.bytes(input_.byte()));
    if (input_.flag()) bytes += '\n';
    world_.say(client, std::move(bytes), descriptors(input_.below(3)));
  }

  void say_request(std::size_t client) {
    Request request{{}, Status{}};
    if (const auto id = input_.below(8); id > 0) request.id = id;
    request.call = call();
    std::size_t wanted = takes_descriptor(request.call) ? 1 : 0;
    if (input_.below(16) == 15) {
      world_.misbehave(client);
      wanted = input_.below(3);
    }
    world_.say(client, encode(request), descriptors(wanted));
  }

  Call call() {
    switch (input_.below(16)) {
      case 0:
        return Hello{static_cast<int>(input_.below(3)), {}, "command", input_.flag()};
      case 1:
      case 2:
      case 3:
        return Release{world_.some_token(input_.byte()), input_.flag()};
      case 4:
        return Unpark{world_.some_token(input_.byte())};
      case 5:
        return Cancel{input_.below(8)};
      case 6:
        return Detach{"becomes"};
      case 7:
        return List{input_.flag() ? std::optional(file_id(0)) : std::nullopt,
                    {input_.below(4), input_.below(16)}};
      case 8:
        return Status{};
      case 9:
      case 10:
      case 11:
        return reclaim();
      default:
        return acquire();
    }
  }

  Call acquire() {
    Acquire acquire{"/file", mode(), timeout(), std::string(input_.below(4), 'r')};
    if (input_.below(4) == 3) acquire.parked = world_.last_parked();
    return acquire;
  }

  Call reclaim() {
    Reclaim reclaim{"/file", mode(), {}, {}, {}, 0, Seconds(0.001 * input_.byte())};
    if (input_.flag()) reclaim.token = world_.some_token(input_.byte());
    if (!reclaim.token) reclaim.timeout = timeout();
    switch (input_.below(4)) {
      case 0:
        break;  // no ticket: it was never told one
      case 1:
        reclaim.ticket = input_.below(8);
        break;
      default:
        reclaim.ticket = world_.some_ticket(input_.byte());
    }
    return reclaim;
  }

  std::optional<Seconds> timeout() {
    const std::size_t kind = input_.below(4);
    if (kind == 0) return std::nullopt;
    return kind == 1 ? Seconds(0) : Seconds(0.001 * static_cast<double>(input_.byte()));
  }

  std::vector<Descriptor> descriptors(std::size_t count) {
    std::vector<Descriptor> all;
    for (; count > 0; --count) {
      // Rarely something that is no file, or a descriptor the daemon had no room for.
      const std::size_t which = input_.below(16);
      if (which == 14) {
        all.emplace_back();
        continue;
      }
      const int source = open_descriptor(which == 15 ? kFiles : which % kFiles);
      all.emplace_back(::fcntl(source, F_DUPFD_CLOEXEC, 0));
    }
    return all;
  }

  void answer() {
    const std::size_t which = input_.byte();
    const std::size_t whim = input_.below(8);
    world_.kernel().answer(which, whim == 7   ? FakeKernel::Whim::fail
                                  : whim == 6 ? FakeKernel::Whim::say_busy
                                              : FakeKernel::Whim::none);
  }

  void pass() {
    const auto time = input_.byte() * 1ms;
    const bool jump = input_.below(16) == 15;  // of the wall clock, which can be set
    world_.pass(time, jump ? (static_cast<int>(input_.byte()) - 128) * 1s : time);
  }

  Input input_;
  DaemonWorld world_;
};

}  // namespace
}  // namespace locket::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace locket::fuzz;
  locketd::log::set_level(locketd::log::Level::error);
  open_descriptor(0);
  // The lowest free descriptor number, which must be free again when all has been closed.
  const int free = locket::proto::Descriptor(::dup(STDERR_FILENO)).get();
  {
    Program program(view_of(data, size));
    program.run();
  }
  const locket::proto::Descriptor after(::dup(STDERR_FILENO));
  require(after.get() == free, "a descriptor has leaked");
  return 0;
}
