// Lock files that stay open between two holds of one handle.
//
//     acquired twice within kSoon ──▶ the release parks the file ──▶ the next acquire takes it
//                                        │ not taken for kIdle
//                                        └──▶ closed here and in the daemon
//
// Who takes a lock again and again would pass its descriptor each time, for the daemon to look at
// and to close again. So both keep it open between, and the acquire names it (PROTOCOL.md,
// "Parking"). A program that takes a lock now and then parks nothing: whatever it has released may
// be unmounted at once.
//
// Owned by Process (process.hpp). Thread-safe, never blocks; its mutex is taken last.
//
// Invariants:
//  1. A parked file is local and unlocked, and nobody but the next claim of its handle uses it: no
//     forked child has a copy, who would share the locks to come. Children close what they find in
//     one of this library's tables; what was in none while somebody forked is not parked any more.
//  2. While any file is parked, the keeper comes to look for what is idle.
//  3. No more are parked than the daemon has room for.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "client/deadline.hpp"
#include "proto/descriptor.hpp"
#include "proto/lock_file.hpp"
#include "proto/messages.hpp"

namespace locket::client {

struct ParkedFile {
  proto::Descriptor descriptor;
  proto::LockFile::State state;
  proto::Token token = 0;     // of the hold after which it was parked, by which the daemon knows it
  std::uint64_t session = 0;  // of the connection; on others it means nothing
};

class Parking {
 public:
  // Between two looks: a file stays for one to two of these.
  static constexpr std::chrono::milliseconds kIdle{100};

  // Of one handle, for one file. It must be empty()ed before it ends.
  class Place {
   public:
    Place() = default;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    friend Parking;
    std::optional<ParkedFile> file_;
    bool idle_ = false;              // since the last look
    std::optional<TimePoint> last_;  // when an attempt began
    TimePoint barred_until_{};
  };

  // An attempt begins: takes out what is parked there, and says whether to park after its hold.
  struct Beginning {
    std::optional<ParkedFile> file;
    bool park = false;
    std::uint64_t forks = 0;  // so far, with those under way
  };
  Beginning begin(Place& place, TimePoint now);

  // Refused where there is no room, or somebody has forked since there were so many `forks`: then
  // the file stays the caller's. With the first one, the keeper is to look from now on.
  enum class Put { refused, parked, parked_first };
  Put put(Place& place, ParkedFile& file, std::uint64_t forks) noexcept;

  // Nothing is parked there for a while: it would be of no use.
  void bar(Place& place, TimePoint now);

  std::optional<ParkedFile> empty(Place& place);

  // Closes what has been idle since the last look, each after it has been shown; if that throws,
  // the rest stays for the next look. False where nothing is parked: no more looks, then.
  bool close_idle(const std::function<void(const ParkedFile&)>& show);

  // Of this process, while the library was there.
  [[nodiscard]] std::uint64_t forks() const { return forks_; }

  // For fork: see fork_guard.hpp. The child closes its copies.
  void lock() {
    mutex_.lock();
    ++forks_;
  }
  void unlock() { mutex_.unlock(); }
  void forget();

 private:
  // Between the beginnings of two attempts.
  static constexpr std::chrono::milliseconds kSoon{10};
  static constexpr std::chrono::seconds kBarred{10};

  std::optional<ParkedFile> take(Place& place);

  std::mutex mutex_;
  std::vector<Place*> taken_;  // those with a file
  bool watched_ = false;
  std::atomic<std::uint64_t> forks_ = 0;
};

}  // namespace locket::client
