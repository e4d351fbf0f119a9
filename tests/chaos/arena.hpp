// The memory that all processes of a run share: who waits, who is inside, who is about to die, and
// what was counted.
//
// Role: participants write what they do, the supervisor writes what it does to them, and a
// participant that enters a lock reads it all (participant.hpp). Made by the supervisor, and lives
// as long as the run; other processes find it by its path. Everything in here is atomic and starts
// as zero.
//
// Invariants:
//  1. A slot has one writer at a time: the thread it was given to, or the supervisor while that
//     thread's process does not run.
//  2. `dying` is set before a process is killed, by its killer, and reset only after it has been
//     reaped and its slots cleared. So the mark of a process that is not dying is that of a live
//     one.
//  3. A slot's attempts only count up and never restart, so a word that is the same twice was there
//     all the time.
//  4. `epoch` is odd from before the daemon is touched until it answers again; `lives` rises before
//     a life of the daemon ends.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "proto/descriptor.hpp"
#include "tests/chaos/breach.hpp"

namespace locket::chaos {

using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds kMicrosecond = 1000;
inline constexpr Nanoseconds kMillisecond = 1000 * kMicrosecond;
inline constexpr Nanoseconds kSecond = 1000 * kMillisecond;
inline constexpr Nanoseconds kForever = INT64_MAX;

// CLOCK_MONOTONIC, so that processes can compare.
Nanoseconds now();

inline constexpr unsigned kMaxFiles = 8;
inline constexpr unsigned kSlotsOfMember = 3;  // threads that lock, in one process
inline constexpr unsigned kMaxMembers = 64;    // those the supervisor starts
inline constexpr unsigned kMaxOrphans = 16;    // forked children, unknown to the supervisor
inline constexpr unsigned kAllMembers = kMaxMembers + kMaxOrphans;
inline constexpr unsigned kSlots = kAllMembers * kSlotsOfMember;

// One attempt at one file, packed into one word; never zero.
struct Claim {
  std::uint64_t attempt = 0;
  unsigned file = 0;
  bool shared = false;

  [[nodiscard]] std::uint64_t word() const {
    return (attempt << 8U) | (std::uint64_t{file} << 1U) | static_cast<std::uint64_t>(shared);
  }
  static Claim of(std::uint64_t word) {
    return {word >> 8U, static_cast<unsigned>((word >> 1U) & 0x7FU), (word & 1U) != 0};
  }
};

// How a participant gets its locks.
enum class Kind : std::uint8_t { library, orphan, run, flock };
inline constexpr std::array kKindNames{"liblocket", "forked child", "locketctl run", "flock(1)"};

// Lock-free, since a mutex held by a process that dies would stay locked forever.
template <typename Value>
using Shared = std::atomic<Value>;
static_assert(Shared<std::uint64_t>::is_always_lock_free && Shared<bool>::is_always_lock_free);

struct alignas(64) Slot {
  Shared<std::uint64_t> attempts;
  Shared<std::uint64_t> busy;     // word, from before it asks until after its release
  Shared<std::uint64_t> waiting;  // word, from before it asks until it has an answer
  Shared<std::uint64_t> inside;   // word, while it believes that it holds the lock
  Shared<std::uint64_t> seen;     // word; the daemon's list has shown it waiting
  Shared<Nanoseconds> asked;
  Shared<Nanoseconds> deadline;
  Shared<std::uint64_t> lives;  // the daemon's, when it asked
  Shared<std::uint64_t> epoch;  // likewise
  Shared<std::uint32_t> stops;  // its process's, when it asked
  Shared<std::uint64_t> token;  // of the lock it is inside
};

struct alignas(64) Member {
  Shared<std::int32_t> process;
  Shared<Kind> kind;
  Shared<bool> dying;
  Shared<std::uint32_t> stops;  // counts SIGSTOPs, each before it is sent
};

struct alignas(64) File {
  Shared<std::uint64_t> begun;            // attempts
  Shared<std::uint64_t> token;            // the largest of all
  Shared<std::uint64_t> exclusive_token;  // the largest of the exclusive ones
  Shared<Nanoseconds> last_death;         // of a process that used it
};

enum class Refusal : std::uint8_t { timed_out, no_daemon };
inline constexpr std::array kRefusalNames{"timed out", "no daemon"};

// Why a participant that waited earlier may still be overtaken by the one granted: participant.cpp.
enum class Excuse : std::uint8_t { stopped, at_deadline, gave_up, machine_stalled };
inline constexpr std::array kExcuseNames{
    "it was stopped (SIGSTOP) while a daemon began", "by one whose time ended while a daemon began",
    "a command that had no daemon to watch over it", "while the machine stood still"};

struct Counters {
  std::array<std::array<Shared<std::uint64_t>, 2>, kKindNames.size()> grants;  // exclusive, shared
  std::array<Shared<std::uint64_t>, kRefusalNames.size()> refusals;
  Shared<std::uint64_t> order_checks;  // a grant, compared with a participant seen to wait earlier
  std::array<Shared<std::uint64_t>, kExcuseNames.size()> overtaken;  // with an excuse
  Shared<std::uint64_t> free_checks;     // grants of locks that were surely free
  Shared<std::uint64_t> survived;        // waits that outlived a daemon
  Shared<std::uint64_t> released_alone;  // releases while there was no daemon
  Shared<std::uint64_t> forks;
  Shared<std::uint64_t> torn;  // connections that ended in the middle of a message
  Shared<Nanoseconds> worst_lateness;
  Shared<Nanoseconds> longest_wait;
};

// What a run may break on purpose, to show that it gets detected.
enum class Sabotage : std::uint8_t { none, exclusion, order };

struct World {
  Shared<bool> stop;  // start nothing new
  Shared<Sabotage> sabotage;
  Shared<std::uint32_t> files_used;
  Shared<std::uint64_t> epoch;
  Shared<std::uint64_t> lives;
  Shared<Nanoseconds> daemon_touched;   // when it was last touched
  Shared<Nanoseconds> machine_stalled;  // when the machine last delayed the supervisor
  std::array<Slot, kSlots> slots;
  std::array<Member, kAllMembers> members;
  std::array<File, kMaxFiles> files;
  Counters counters;
  BreachLog breaches;

  Slot& slot(unsigned member, unsigned thread) {
    return slots.at(member * kSlotsOfMember + thread);
  }
};

void raise_to(Shared<Nanoseconds>& most, Nanoseconds value);
void raise_to(Shared<std::uint64_t>& most, std::uint64_t value);

// Maps the world. Destroying it ends only this mapping.
class Arena {
 public:
  static Arena make();
  static Arena at(const std::string& path);

  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&&) = delete;
  ~Arena();

  [[nodiscard]] World& world() const { return *world_; }
  // Where other processes find it while this process lives.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Arena(proto::Descriptor memory, World* world, std::string path);

  proto::Descriptor memory_;
  World* world_;
  std::string path_;
};

}  // namespace locket::chaos
