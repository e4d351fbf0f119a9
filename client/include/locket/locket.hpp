/// @file
/// liblocket for C++17: locket.h with destructors, exceptions and the standard library's own locks.
///
///     locket::file_lock file("/srv/app/db.lock");
///     std::lock_guard held(file);                                // waits for ever
///
///     locket::guard also(locket::lock_file("other.lock", 30s));  // waits for thirty seconds
///
/// Header-only, over the C interface alone, so it does not depend on the compiler that built the
/// library. What locket.h says of threads, files, order, limits and forks holds here too, and so
/// does what it says of each function that one here stands for: blocking, above all. What fails
/// throws lock_error or one of its kin; what is noexcept cannot fail.

#ifndef LOCKET_LOCKET_HPP
#define LOCKET_LOCKET_HPP

#include <locket/locket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// File locks in turn with other programs.
namespace locket {

/// Seconds, fractions allowed; every duration of `<chrono>` turns into it by itself.
using duration = std::chrono::duration<double>;

/// One who holds a lock that was not had; texts are safe to print. See locket_holder.
struct holder {
  std::int64_t pid = 0;   ///< 0 when it cannot be told
  std::uint32_t uid = 0;  ///< UINT32_MAX when it cannot be told
  std::string user;       ///< its name, else the number
  std::string command;    ///< what it runs; may be empty
  std::string reason;     ///< what it said that it wants the lock for; may be empty
  bool shared = false;    ///< else it holds the lock exclusively
  bool external = false;  ///< it locked the file without locketd
  std::chrono::system_clock::time_point since;  ///< the epoch when it cannot be told
  duration held{0};                             ///< 0 when it cannot be told
  std::uint64_t token = 0;                      ///< 0 for an external holder
};

// ---- Errors ----

/// Why a call failed. what() is one line that is safe to print. Owns all that it returns, does not
/// change, and copies without throwing.
class lock_error : public std::runtime_error {
 public:
  /// For wrappers and tests.
  lock_error(locket_code code, const std::string& message, std::string path = {})
      : std::runtime_error(message),
        facts_(std::make_shared<const facts>(facts{code, 0, std::move(path), {}})) {}

  /// Copies all that the error says, for which it may have to look into the user database.
  explicit lock_error(const locket_error& error)
      : std::runtime_error(locket_error_message(&error)),
        facts_(std::make_shared<const facts>(
            facts{locket_error_code(&error), locket_error_os_error(&error),
                  locket_error_path(&error), read_holders(error)})) {}

  /// What the C function returned.
  [[nodiscard]] locket_code code() const noexcept { return facts_->code; }

  /// errno where a system call failed, else 0.
  [[nodiscard]] int os_error() const noexcept { return facts_->os_error; }

  /// The lock file's, as bytes; empty where the error concerns none.
  [[nodiscard]] const std::string& path() const noexcept { return facts_->path; }

  /// Who holds the lock that was not had; eight at most.
  [[nodiscard]] const std::vector<holder>& holders() const noexcept { return facts_->holders; }

 private:
  struct facts {
    locket_code code;
    int os_error;
    std::string path;
    std::vector<holder> holders;
  };

  static std::vector<holder> read_holders(const locket_error& error) {
    std::vector<holder> holders;
    for (std::size_t i = 0; i < locket_error_holder_count(&error); ++i) {
      const locket_holder& from = *locket_error_holder(&error, i);
      holder to;
      to.pid = from.pid;
      to.uid = from.uid;
      to.user = from.user;
      to.command = from.command;
      to.reason = from.reason;
      to.shared = from.mode == LOCKET_SHARED;
      to.external = from.external != 0;
      to.since = std::chrono::system_clock::time_point(
          std::chrono::duration_cast<std::chrono::system_clock::duration>(duration(from.since)));
      to.held = duration(from.held_s);
      to.token = from.token;
      holders.push_back(std::move(to));
    }
    return holders;
  }

  std::shared_ptr<const facts> facts_;  // shared, since copying an exception must not throw
};

/// LOCKET_TIMED_OUT: the time is over; holders() tells who has the lock.
class timeout_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_NOT_HELD: there is nothing to release or to keep, and nothing has changed.
class not_held_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_INVALID_ARGUMENT: a timeout, path or reason that nothing can be done with.
class invalid_argument_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_FILE_ERROR: the lock file cannot be opened or locked.
class file_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_NO_DAEMON: no locketd answers.
class no_daemon_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_CONNECTION_LOST: locketd went away again and again.
class connection_lost_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_LIMIT_REACHED: a limit of locketd's or of the system's, which what() names.
class limit_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_NOT_PERMITTED: locketd does not permit it.
class not_permitted_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_LOST: the lock was held, and was lost while its daemon was away.
class lock_lost_error : public lock_error {
  using lock_error::lock_error;
};

namespace detail {

using lost_callback = std::function<void(std::uint64_t token)>;

struct deleter {
  void operator()(locket_error* error) const noexcept { locket_error_free(error); }
};

// Frees a lock, and then the callback that the library may be in until then.
struct lock_deleter {
  std::unique_ptr<lost_callback> on_lost;

  void operator()(locket_lock* lock) noexcept {
    locket_free(lock);
    on_lost.reset();
  }
};

inline void call_lost(locket_lock*, std::uint64_t token, void* context) noexcept {
  const lost_callback callback = *static_cast<lost_callback*>(context);  // it may replace itself
  callback(token);
}

[[noreturn]] inline void raise(const locket_error& error) {
  switch (locket_error_code(&error)) {
    case LOCKET_TIMED_OUT:
      throw timeout_error(error);
    case LOCKET_NOT_HELD:
      throw not_held_error(error);
    case LOCKET_INVALID_ARGUMENT:
      throw invalid_argument_error(error);
    case LOCKET_FILE_ERROR:
      throw file_error(error);
    case LOCKET_NO_DAEMON:
      throw no_daemon_error(error);
    case LOCKET_CONNECTION_LOST:
      throw connection_lost_error(error);
    case LOCKET_LIMIT_REACHED:
      throw limit_error(error);
    case LOCKET_NOT_PERMITTED:
      throw not_permitted_error(error);
    case LOCKET_LOST:
      throw lock_lost_error(error);
    default:
      throw lock_error(error);
  }
}

// Calls into C, where `call` gets the place for the error. Throws for every failure but a timeout,
// and for that too where `timeout_throws`; says whether the call succeeded.
template <typename Call>
bool checked(bool timeout_throws, const Call& call) {
  locket_error* raw = nullptr;
  const locket_code code = call(&raw);
  const std::unique_ptr<locket_error, deleter> error(raw);
  if (code == LOCKET_OK) return true;
  if (code == LOCKET_TIMED_OUT && !timeout_throws) return false;
  raise(*error);
}

}  // namespace detail

// ---- Locks ----

/// A lock on one file. Meets Cpp17TimedLockable and the shared counterpart, so that
/// std::lock_guard, std::unique_lock, std::scoped_lock and std::shared_lock work with it.
///
/// As with the standard's mutexes, lock() waits for ever and try_lock() not at all; acquire() waits
/// as long as the constructor was told. The lock belongs to the process: any thread may release it,
/// and every file_lock on the same file is the same lock. Not re-entrant. The destructor releases
/// what was acquired through this object and is still held.
///
/// Any thread may call anything at any time, but moving, assigning and destroying must be alone. A
/// moved-from one may only be assigned or destroyed.
class file_lock {
 public:
  /// Locks nothing yet. `timeout` is for acquire(), from 0 to 1e9 seconds; none waits for ever,
  /// zero not at all. Throws invalid_argument_error for another one and for a path that no file can
  /// have.
  explicit file_lock(const std::string& path, std::optional<duration> timeout = std::nullopt)
      : timeout_(timeout) {
    if (path.find('\0') != std::string::npos) {
      throw invalid_argument_error(LOCKET_INVALID_ARGUMENT,
                                   "the path of the lock file has a NUL byte in it");
    }
    const double seconds = timeout ? timeout->count() : 0;
    detail::checked(true, [&](locket_error** error) {
      return locket_check_timeout(timeout ? &seconds : nullptr, error);
    });
    locket_lock* made = nullptr;
    detail::checked(true,
                    [&](locket_error** error) { return locket_new(path.c_str(), &made, error); });
    lock_.reset(made);
  }

  /// Waits as long as the constructor's timeout says; timeout_error tells who holds the lock.
  void acquire() { acquire(LOCKET_EXCLUSIVE); }
  void acquire_shared() { acquire(LOCKET_SHARED); }  ///< The same, for a shared lock.

  /// Gives back what acquire or lock got, in whatever mode; not_held_error when there is nothing,
  /// lock_lost_error when what there was is lost.
  void release() {
    detail::checked(true, [&](locket_error** error) { return locket_release(lock_.get(), error); });
  }

  // The standard's requirements. What is named try_ is false when the time is over, and throws for
  // everything else that goes wrong.

  /// Waits for ever.
  void lock() { wait_for(LOCKET_EXCLUSIVE, std::nullopt, true); }
  /// Does not wait. False when somebody else has the lock.
  [[nodiscard]] bool try_lock() { return wait_for(LOCKET_EXCLUSIVE, duration(0), false); }
  /// Waits that long; a negative duration is none. False when it is over.
  template <typename Rep, typename Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) {
    return wait_for(LOCKET_EXCLUSIVE, within_range(timeout), false);
  }
  /// Waits until that clock says so. False when it does.
  template <typename Clock, typename Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& deadline) {
    return wait_until(LOCKET_EXCLUSIVE, deadline);
  }

  /// As lock(), for a shared lock; and so are the others below.
  void lock_shared() { wait_for(LOCKET_SHARED, std::nullopt, true); }
  /// As try_lock().
  [[nodiscard]] bool try_lock_shared() { return wait_for(LOCKET_SHARED, duration(0), false); }
  /// As try_lock_for().
  template <typename Rep, typename Period>
  [[nodiscard]] bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& timeout) {
    return wait_for(LOCKET_SHARED, within_range(timeout), false);
  }
  /// As try_lock_until().
  template <typename Clock, typename Duration>
  [[nodiscard]] bool try_lock_shared_until(
      const std::chrono::time_point<Clock, Duration>& deadline) {
    return wait_until(LOCKET_SHARED, deadline);
  }

  /// release() for destructors: does nothing where nothing is held.
  void unlock() noexcept { locket_release(lock_.get(), nullptr); }
  void unlock_shared() noexcept { unlock(); }  ///< The same.

  /// Whether this process holds the lock, through whatever file_lock.
  [[nodiscard]] bool is_held() const noexcept { return locket_is_held(lock_.get()) != 0; }

  /// The fencing token, which strictly increases from grant to grant and stays below 2^53; 0 when
  /// the lock is not held.
  [[nodiscard]] std::uint64_t token() const noexcept { return locket_token(lock_.get()); }

  /// Absolute, as bytes.
  [[nodiscard]] std::string path() const { return locket_path(lock_.get()); }

  /// What others are told about later acquires while they wait or hold; empty: nothing. Throws
  /// invalid_argument_error for more than 1024 bytes when escaped.
  void set_reason(const std::string& reason) {
    detail::checked(true, [&](locket_error** error) {
      return locket_set_reason(lock_.get(), reason.c_str(), error);
    });
  }

  /// Called when a lock that was acquired through this object is lost while its daemon is away; an
  /// empty one is none. In a thread of the library's, where it may do anything; what it throws ends
  /// the program. Waits for an earlier one that runs. Not for several threads at once.
  void on_lost(std::function<void(std::uint64_t token)> callback) {
    auto next = callback ? std::make_unique<detail::lost_callback>(std::move(callback)) : nullptr;
    locket_on_lost(lock_.get(), next ? detail::call_lost : nullptr, next.get());
    lock_.get_deleter().on_lost = std::move(next);
  }

  /// Makes the lock last beyond an exec(2) in this process, which is to come next, until the
  /// process ends. `command` is what others are shown as its name; empty: no change. Returns the
  /// descriptor that the new program inherits, which stays the library's. Blocks for a second at
  /// most. See locket_keep_across_exec.
  int keep_across_exec(const std::string& command = {}) {
    int descriptor = -1;
    detail::checked(true, [&](locket_error** error) {
      return locket_keep_across_exec(lock_.get(), command.c_str(), &descriptor, error);
    });
    return descriptor;
  }

  /// For locket.h's functions; stays owned by this object.
  [[nodiscard]] locket_lock* native_handle() const noexcept { return lock_.get(); }

 private:
  void acquire(locket_mode mode) { wait_for(mode, timeout_, true); }

  bool wait_for(locket_mode mode, std::optional<duration> timeout, bool timeout_throws) {
    const double seconds = timeout ? timeout->count() : 0;
    return detail::checked(timeout_throws, [&](locket_error** error) {
      return locket_acquire(lock_.get(), mode, timeout ? &seconds : nullptr, error);
    });
  }

  template <typename Clock, typename Duration>
  bool wait_until(locket_mode mode, const std::chrono::time_point<Clock, Duration>& deadline) {
    // More than once only where that clock was set back while we waited on the steady one.
    for (;;) {
      if (wait_for(mode, within_range(deadline - Clock::now()), false)) return true;
      if (Clock::now() >= deadline) return false;
    }
  }

  // The standard has no bad timeouts: negative ones have passed, and too long ones are for ever.
  static std::optional<duration> within_range(duration timeout) {
    constexpr duration kLongest(1e9);
    if (timeout > kLongest) return std::nullopt;
    return timeout < duration::zero() ? duration::zero() : timeout;
  }

  std::unique_ptr<locket_lock, detail::lock_deleter> lock_;
  std::optional<duration> timeout_;
};

/// The same by the name that it has in Python: `lock_file("path/to/lock/file", 30s)`.
[[nodiscard]] inline file_lock lock_file(const std::string& path,
                                         std::optional<duration> timeout = std::nullopt) {
  return file_lock(path, timeout);
}

/// Holds a lock from here to the end of the scope, waiting for it as long as the lock's own timeout
/// says, where std::lock_guard waits for ever. Not for several threads at once.
class guard {
 public:
  /// Acquires; timeout_error tells who holds the lock. The lock must outlive the guard.
  explicit guard(file_lock& lock) : lock_(lock) { lock_.acquire(); }

  /// Keeps the lock itself too.
  explicit guard(file_lock&& lock) : own_(std::move(lock)), lock_(*own_) { lock_.acquire(); }

  guard(const guard&) = delete;
  guard& operator=(const guard&) = delete;
  ~guard() {
    if (held_) lock_.unlock();
  }

  /// Before the end of the scope. Throws as file_lock::release does.
  void release() {
    held_ = false;
    lock_.release();
  }

 private:
  std::optional<file_lock> own_;
  file_lock& lock_;
  bool held_ = true;
};

}  // namespace locket

#endif
