/// @file
/// liblocket for C++17: locket.h with destructors, exceptions and the standard library's own locks.
///
///     locket::file_lock file("/srv/app/db.lock");
///     std::lock_guard held(file);                                // waits for ever
///
///     locket::guard also(locket::lock_file("other.lock", 30s));  // waits for thirty seconds
///
/// Header-only; uses only the C interface, so it does not depend on the compiler that built the
/// library. What locket.h says about threads, files, order, limits and forks holds here too, and so
/// does what it says about each function that is wrapped here, above all whether it blocks.
/// Failures throw lock_error or a class derived from it, one per error code; noexcept functions
/// cannot fail.

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

/// File locks that are taken in turn with other programs.
namespace locket {

/// Seconds, fractions allowed; every duration of `<chrono>` converts to it implicitly.
using duration = std::chrono::duration<double>;

/// A holder of a lock that could not be acquired; texts are safe to print. See locket_holder.
struct holder {
  std::int64_t pid = 0;                         ///< 0 if unknown
  std::uint32_t uid = 0;                        ///< UINT32_MAX if unknown
  std::string user;                             ///< the user's name, else the number
  std::string command;                          ///< what it runs; may be empty
  std::string reason;                           ///< see file_lock::set_reason; may be empty
  bool shared = false;                          ///< otherwise exclusive
  bool external = false;                        ///< it locked the file without locketd
  std::chrono::system_clock::time_point since;  ///< the epoch if unknown
  duration held{0};                             ///< 0 if unknown
  std::uint64_t token = 0;                      ///< 0 for an external holder
};

// ---- Errors ----

/// Why a call failed. what() is one line that is safe to print. Owns everything that it returns,
/// does not change, and copies without throwing.
class lock_error : public std::runtime_error {
 public:
  /// For wrappers and tests.
  lock_error(locket_code code, const std::string& message, std::string path = {})
      : std::runtime_error(message),
        facts_(std::make_shared<const facts>(facts{code, 0, std::move(path), {}})) {}

  /// Copies all that the error says, which may require lookups in the user database.
  explicit lock_error(const locket_error& error)
      : std::runtime_error(locket_error_message(&error)),
        facts_(std::make_shared<const facts>(
            facts{locket_error_code(&error), locket_error_os_error(&error),
                  locket_error_path(&error), read_holders(error)})) {}

  /// What the C function returned.
  [[nodiscard]] locket_code code() const noexcept { return facts_->code; }

  /// errno if a system call failed, else 0.
  [[nodiscard]] int os_error() const noexcept { return facts_->os_error; }

  /// The lock file's path, as bytes; empty if the error concerns no file.
  [[nodiscard]] const std::string& path() const noexcept { return facts_->path; }

  /// The holders of the lock that could not be acquired; at most eight.
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

  std::shared_ptr<const facts> facts_;  // shared: copying an exception must not throw
};

/// LOCKET_TIMED_OUT: not acquired in time; holders() says who holds the lock.
class timeout_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_NOT_HELD: there is nothing to release or to keep, and nothing has changed.
class not_held_error : public lock_error {
  using lock_error::lock_error;
};
/// LOCKET_INVALID_ARGUMENT: the timeout, path, mode or reason is invalid.
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
/// LOCKET_LIMIT_REACHED: a limit of locketd or of the system, which what() names.
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

// Frees a lock, and then its callback, which the library may be running until then.
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

// Calls a C function through `call`, which gets the place for the error. Returns whether it
// succeeded; throws for every failure except a timeout while `timeout_throws` is false.
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
/// As with the standard mutexes, lock() waits for ever and try_lock() not at all; acquire() waits
/// as long as the constructor's timeout says. The lock belongs to the process: any thread may
/// release it, and every file_lock on the same file is the same lock. Not re-entrant. The
/// destructor releases whatever was acquired through this object and is still held.
///
/// Any thread may call any function at any time, except that no other call may run while the object
/// is moved, assigned or destroyed. A moved-from object may only be assigned or destroyed.
class file_lock {
 public:
  /// Locks nothing yet. `timeout` is for acquire(), from 0 to 1e9 seconds; none waits for ever,
  /// zero not at all. Throws invalid_argument_error for any other timeout and for a path that no
  /// file can have.
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

  /// Waits as long as the constructor's timeout says; timeout_error says who holds the lock.
  void acquire() { acquire(LOCKET_EXCLUSIVE); }
  void acquire_shared() { acquire(LOCKET_SHARED); }  ///< The same, for a shared lock.

  /// Gives back one hold, in either mode; throws not_held_error if there is none, lock_lost_error
  /// if it was lost.
  void release() {
    detail::checked(true, [&](locket_error** error) { return locket_release(lock_.get(), error); });
  }

  // The standard's requirements. Functions named try_... return false when the time is over, and
  // throw for every other failure.

  /// Waits for ever.
  void lock() { wait_for(LOCKET_EXCLUSIVE, std::nullopt, true); }
  /// Does not wait. False if the lock is not free.
  [[nodiscard]] bool try_lock() { return wait_for(LOCKET_EXCLUSIVE, duration(0), false); }
  /// Waits at most that long, and not at all if negative. False when the time is over.
  template <typename Rep, typename Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) {
    return wait_for(LOCKET_EXCLUSIVE, within_range(timeout), false);
  }
  /// Waits until `deadline` on its clock. False when it has passed.
  template <typename Clock, typename Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& deadline) {
    return wait_until(LOCKET_EXCLUSIVE, deadline);
  }

  /// As lock(), for a shared lock; likewise the functions below.
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

  /// release() for destructors: does nothing if nothing is held.
  void unlock() noexcept { locket_release(lock_.get(), nullptr); }
  void unlock_shared() noexcept { unlock(); }  ///< The same.

  /// Whether this process holds the lock, through any file_lock.
  [[nodiscard]] bool is_held() const noexcept { return locket_is_held(lock_.get()) != 0; }

  /// The fencing token, which strictly increases from grant to grant and stays below 2^53; 0 if
  /// the lock is not held.
  [[nodiscard]] std::uint64_t token() const noexcept { return locket_token(lock_.get()); }

  /// The absolute path, as bytes.
  [[nodiscard]] std::string path() const { return locket_path(lock_.get()); }

  /// Sets what others are told while later acquires wait for the lock or hold it; empty: nothing.
  /// Throws invalid_argument_error for a NUL byte and for more than 1024 bytes when escaped.
  void set_reason(const std::string& reason) {
    if (reason.find('\0') != std::string::npos) {
      throw invalid_argument_error(LOCKET_INVALID_ARGUMENT, "the reason has a NUL byte in it");
    }
    detail::checked(true, [&](locket_error** error) {
      return locket_set_reason(lock_.get(), reason.c_str(), error);
    });
  }

  /// Sets a callback for when a lock that was acquired through this object is lost while its daemon
  /// is away; an empty one removes it. It runs in a thread of the library and may call anything; an
  /// exception from it ends the program. Waits for an earlier callback that is running. Only one
  /// thread at a time may call this.
  void on_lost(std::function<void(std::uint64_t token)> callback) {
    auto next = callback ? std::make_unique<detail::lost_callback>(std::move(callback)) : nullptr;
    locket_on_lost(lock_.get(), next ? detail::call_lost : nullptr, next.get());
    lock_.get_deleter().on_lost = std::move(next);
  }

  /// Makes the lock last beyond an exec(2) in this process, which must come next, until the process
  /// ends. `command` is shown to others as the process's name; empty: no change. Returns the
  /// descriptor that the new program inherits; it still belongs to the library. Blocks for at most
  /// one second. See locket_keep_across_exec.
  int keep_across_exec(const std::string& command = {}) {
    int descriptor = -1;
    detail::checked(true, [&](locket_error** error) {
      return locket_keep_across_exec(lock_.get(), command.c_str(), &descriptor, error);
    });
    return descriptor;
  }

  /// For the functions of locket.h; still belongs to this object.
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
    // More than once only if that clock was set back during the wait, which uses the steady one.
    for (;;) {
      const auto now = Clock::now();
      // Compared first: from the far past, the difference overflows.
      const auto left = deadline <= now ? duration::zero() : duration(deadline - now);
      if (wait_for(mode, within_range(left), false)) return true;
      if (Clock::now() >= deadline) return false;
    }
  }

  // The standard knows no invalid timeout: a negative one is over, one that is too long never ends.
  static std::optional<duration> within_range(duration timeout) {
    constexpr duration kLongest(1e9);
    if (timeout > kLongest) return std::nullopt;
    return timeout < duration::zero() ? duration::zero() : timeout;
  }

  std::unique_ptr<locket_lock, detail::lock_deleter> lock_;
  std::optional<duration> timeout_;
};

/// Makes a file_lock, under its Python name: `lock_file("path/to/lock/file", 30s)`.
[[nodiscard]] inline file_lock lock_file(const std::string& path,
                                         std::optional<duration> timeout = std::nullopt) {
  return file_lock(path, timeout);
}

/// Holds a lock until the end of the scope, and waits for it as long as the lock's own timeout
/// says, whereas std::lock_guard waits for ever. Only one thread at a time may use a guard.
class guard {
 public:
  /// Acquires; timeout_error says who holds the lock. The lock must outlive the guard.
  explicit guard(file_lock& lock) : lock_(lock) { lock_.acquire(); }

  /// The same; owns the file_lock too.
  explicit guard(file_lock&& lock) : own_(std::move(lock)), lock_(*own_) { lock_.acquire(); }

  guard(const guard&) = delete;
  guard& operator=(const guard&) = delete;
  ~guard() {
    if (held_) lock_.unlock();
  }

  /// Releases before the end of the scope. Throws as file_lock::release does.
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
