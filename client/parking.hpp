// Lock files that stay open between two holds of one handle.
//
//     acquired twice within kSoon ──▶ the release parks the file ──▶ the next acquire takes it
//                                        │ for kIdle not taken
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
//  1. A parked file is unlocked, and nobody but the next claim of its handle uses it.
//  2. A place that has a file is listed, so that the keeper comes to close it.
//  3. No more are listed than the daemon has room for, whether their files are parked or in use.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "client/deadline.hpp"
#include "proto/descriptor.hpp"
#include "proto/messages.hpp"

namespace locket::client {

struct ParkedFile {
  proto::Descriptor descriptor;
  proto::FileId file;
  proto::Token token = 0;     // of the hold after which it was parked, by which the daemon knows it
  std::uint64_t session = 0;  // of the connection; on others it means nothing
};

class Parking {
 public:
  // The next look at what is idle comes after this; a file stays for one to two of these.
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
    std::optional<TimePoint> last_;  // when an attempt began
    bool listed_ = false;
    bool idle_ = false;    // since the last look
    bool barred_ = false;  // the daemon has not kept what was parked here
  };

  // An attempt begins: takes out what is parked there, and says whether to park after its hold.
  struct Beginning {
    std::optional<ParkedFile> file;
    bool park = false;
  };
  Beginning begin(Place& place, TimePoint now);

  // False where there is no room: then it is not parked here.
  bool put(Place& place, ParkedFile& file) noexcept;

  // It never parks again.
  void bar(Place& place);

  std::optional<ParkedFile> empty(Place& place);

  // Closes what has been idle since the last look, each after it has been shown; if that throws,
  // the rest stays for the next look. False where nobody parks any more.
  bool close_idle(const std::function<void(const ParkedFile&)>& show);

  // For fork: see fork_guard.hpp. The child closes its copies.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  void forget();

 private:
  // Of one thread that does nothing else, this is a pair in twenty milliseconds at least.
  static constexpr std::chrono::milliseconds kSoon{10};

  bool enlist(Place& place);
  void strike(Place& place);

  std::mutex mutex_;
  std::vector<Place*> listed_;
};

}  // namespace locket::client
