// Lock files that stay open between two holds of one handle.
//
//     acquired twice within kSoon ──▶ the release parks the file ──▶ the next acquire takes it
//                                        │ not taken for kIdle
//                                        └──▶ closed here and in the daemon
//
// A client that takes the same lock repeatedly would pass its descriptor each time, and the daemon
// would examine and close it each time. So both sides keep the file open between holds, and the
// next acquire names it (PROTOCOL.md, "Parking"). A program that takes a lock only now and then
// parks nothing: the file system of what it has released can be unmounted at once.
//
// Owned by Process (process.hpp). Thread-safe, never blocks; its mutex is taken last.
//
// Invariants:
//  1. A parked file is local and unlocked, and only the next claim of its handle uses it: no forked
//     child keeps a copy, through which it would share later locks. A child closes the files it
//     finds in one of this library's tables; a file that was in none of them during a fork is not
//     parked any more.
//  2. While any file is parked, the keeper looks for idle ones.
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
  std::uint64_t session = 0;  // of the connection; meaningless on any other
};

class Parking {
 public:
  // Between two looks: a file stays parked for one to two of these.
  static constexpr std::chrono::milliseconds kIdle{100};

  // Belongs to one handle, for one file. It must be empty()ed before it ends.
  class Place {
   public:
    Place() = default;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    friend Parking;
    std::optional<ParkedFile> file_;
    bool idle_ = false;              // not used since the last look
    std::optional<TimePoint> last_;  // when the last attempt began
    TimePoint barred_until_{};
  };

  // An attempt begins: takes out what is parked there, and says whether to park after its hold.
  struct Beginning {
    std::optional<ParkedFile> file;
    bool park = false;
    std::uint64_t forks = 0;  // so far, including those in progress
  };
  Beginning begin(Place& place, TimePoint now);

  // Refused if there is no room, or if the process has forked since `forks` was read: then the file
  // stays the caller's. After parked_first, the caller must have the keeper look from now on.
  enum class Put { refused, parked, parked_first };
  Put put(Place& place, ParkedFile& file, std::uint64_t forks) noexcept;

  // Parks nothing there for a while, because it would be of no use.
  void bar(Place& place, TimePoint now);

  std::optional<ParkedFile> empty(Place& place);

  // Closes what has been idle since the last look, each file after it has been shown; if that
  // throws, the rest stays for the next look. False if nothing is parked: then no more looks are
  // needed.
  bool close_idle(const std::function<void(const ParkedFile&)>& show);

  // Forks of this process since the library was loaded.
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
  std::vector<Place*> taken_;  // the places that have a file
  bool watched_ = false;
  std::atomic<std::uint64_t> forks_ = 0;
};

}  // namespace locket::client
