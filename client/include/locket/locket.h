/** @file
 * liblocket: file locks that processes on one machine take in turn, arbitrated by locketd.
 *
 * A lock is held by a process, on a file identified by device and inode, whatever path leads to it
 * (C1). A held lock is an flock(2) on that very file, so flock(1), locket.py and filelock keep
 * working beside it (C6).
 *
 * The rules of this interface:
 *
 *  1. Ownership. A handle from locket_new is freed by locket_free, and an error by
 *     locket_error_free; both accept NULL. Every other pointer that a function returns belongs to
 *     the object passed to that function, and is valid as long as that object.
 *  2. Errors. A function that can fail returns a locket_code, LOCKET_OK (0) for success. `error`
 *     may be NULL; otherwise *error is always set: to NULL on success, to a new object on failure.
 *     Passing NULL anywhere else yields LOCKET_INVALID_ARGUMENT unless documented otherwise.
 *  3. Threads. Every function may be called from any thread at any time, even on the same lock,
 *     except locket_free and locket_error_free, which must be the last call on their object. A
 *     locket_error does not change. No function may be called from a signal handler.
 *  4. Text. Paths are bytes that end with a NUL, as the kernel takes them. All other text is UTF-8;
 *     in text chosen by others (commands, reasons, and paths inside of messages) control characters
 *     and broken UTF-8 are escaped as `\n`, `\xHH`, so it is safe to print.
 *  5. Time. Seconds as double; durations on the monotonic clock, dates since the epoch (1970). A
 *     function blocks only if its description says so; one that accesses the lock file takes as
 *     long as the file system does.
 *  6. Fork. A child of fork(2) holds none of its parent's locks, and nothing that it does,
 *     including its exit, disturbs the parent; a release in the child is LOCKET_NOT_HELD (C10). It
 *     may lock on its own, even with handles made before the fork. (This does not apply to vfork(2)
 *     or a bare clone(2), whose children may only exec.) Locks end at exec(2), but see
 *     locket_keep_across_exec.
 *  7. Stability. Symbols, constants and the order of members never change within one soname. Codes
 *     may be added: treat an unknown one as LOCKET_INTERNAL. Members are only added at the end of a
 *     struct, so only the library creates structs.
 *
 * The library makes one connection to the daemon, when it is first needed, and keeps it. It looks
 * for the socket at $LOCKET_SOCKET, else $XDG_RUNTIME_DIR/locket/locketd.sock, then
 * /run/locket/locketd.sock.
 *
 * The daemon may be restarted or die at any time (C9): held locks stay held, and waiters keep their
 * place and their deadline. An acquire that begins while the daemon is away waits up to a second
 * for its return if this process has been connected to a daemon before; otherwise it fails at once
 * with LOCKET_NO_DAEMON, unless systemd keeps the socket. For this the library has one thread of
 * its own from the first acquire on, which sleeps until the daemon is gone; if the system cannot
 * start it, calls to locket_acquire do its work. It blocks all signals, and the library installs no
 * signal handler. */

#ifndef LOCKET_LOCKET_H
#define LOCKET_LOCKET_H

#include <stddef.h>
#include <stdint.h>

/** On each function that the library exports. */
#if defined(__GNUC__)
#define LOCKET_API __attribute__((visibility("default")))
#else
#define LOCKET_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** A handle on the lock of a file. Any number of handles on one file are the same lock (C5). */
typedef struct locket_lock locket_lock;

/** Why a call failed. */
typedef struct locket_error locket_error;

/** What a call that can fail returns. */
typedef enum locket_code {
  LOCKET_OK = 0,               /**< success */
  LOCKET_TIMED_OUT = 1,        /**< not acquired in time: held, or the daemon was stopped or away */
  LOCKET_NOT_HELD = 2,         /**< cannot release unlocked lock; nothing has changed */
  LOCKET_INVALID_ARGUMENT = 3, /**< the timeout, path, mode or reason is invalid */
  LOCKET_FILE_ERROR = 4,       /**< the lock file cannot be opened or locked */
  LOCKET_NO_DAEMON = 5,        /**< no locketd answers, or none that speaks this protocol */
  LOCKET_CONNECTION_LOST = 6,  /**< locketd went away again and again during this call */
  LOCKET_LIMIT_REACHED = 7,    /**< a limit of locketd or of the system; the message names it */
  LOCKET_NOT_PERMITTED = 8,    /**< locketd does not permit it, e.g. if it cannot watch processes */
  LOCKET_INTERNAL = 9,         /**< out of memory, or a bug in locketd or this library */
  LOCKET_LOST = 10             /**< the lock was held, and was lost while its daemon was away */
} locket_code;

/** How a lock is held. */
typedef enum locket_mode {
  LOCKET_EXCLUSIVE = 0, /**< by one holder */
  LOCKET_SHARED = 1     /**< by any number of them */
} locket_mode;

/* ---- Locks ---- */

/** Makes a handle. Locks nothing and does not look at the file.
 *
 * @param path  of the lock file, 1 to 4095 bytes (path_resolution(7)); copied. A relative one is
 *              resolved against the current working directory.
 * @param[out] lock  the handle, to be freed by locket_free; NULL on failure.
 * @param[out] error  see rule 2.
 * @return LOCKET_INVALID_ARGUMENT for a path that is empty or too long, LOCKET_FILE_ERROR if the
 *         working directory no longer exists. */
LOCKET_API locket_code locket_new(const char* path, locket_lock** lock, locket_error** error);

/** Releases every lock that was acquired through this handle and is still held, and frees the
 * handle. Waits for a callback of locket_on_lost that is running for it, but not for the daemon.
 *
 * @param lock  no other thread may be in a call on it; may be NULL. */
LOCKET_API void locket_free(locket_lock* lock);

/** Waits for the lock and acquires it. First come, first served among the daemon's clients (C4).
 *
 * With a timeout above 0, LOCKET_TIMED_OUT is returned no earlier than that and, if the daemon is
 * stopped, at most 20 ms later (C3). The call can fail earlier for other reasons, for instance with
 * LOCKET_NO_DAEMON after about one second without any daemon. With timeout 0 it may block for up to
 * one second if the daemon does not answer. A daemon that goes away during a wait does not end it.
 *
 * Opens the file for reading, or for writing where only that is allowed, and creates it with mode
 * 0666 less umask if it is missing; never writes to it (C12). If the file was unlinked or replaced
 * during the wait, begins again with the time that is left (C11).
 *
 * Not re-entrant: a second exclusive acquire waits until the first one is released, even in the
 * thread that holds the lock. Shared locks may be held many times, even through one handle; each
 * needs a release of its own.
 *
 * @param lock  other threads may be using it, even for another acquire.
 * @param mode  LOCKET_EXCLUSIVE or LOCKET_SHARED.
 * @param timeout  points to seconds from 0 to 1e9, fractions allowed: 0 tries once, NULL waits for
 *                 ever, as with select(2).
 * @param[out] error  after LOCKET_TIMED_OUT it says who holds the lock (C13), or that the daemon
 *                    was stopped or away.
 * @return any code except LOCKET_NOT_HELD and LOCKET_LOST. With timeout 0, LOCKET_NO_DAEMON can
 *         also mean that the daemon did not answer within a second. */
LOCKET_API locket_code locket_acquire(locket_lock* lock, locket_mode mode, const double* timeout,
                                      locket_error** error);

/** Gives back one hold: the one that the calling thread acquired last through this handle, else the
 * last one acquired through it, else any that this process has on the file that the path names now
 * (C5). When it returns, the lock is free or already the next waiter's (C7).
 *
 * Any thread may call it; of two that race for one hold exactly one succeeds. Does not wait for the
 * daemon, and works without one.
 *
 * The file is closed, unless this handle has acquired it twice within 10 ms: then it may stay open,
 * unlocked, for up to 0.2 s, for the next acquire. locket_free closes it.
 *
 * @param lock  through which, or through another handle on the same file, the lock was acquired.
 * @param[out] error  see rule 2.
 * @return LOCKET_NOT_HELD if there is no hold to give back; then nothing changes. LOCKET_LOST if
 *         the hold was lost, once for each: the calling thread's own, or another one if all that
 *         are left are lost. */
LOCKET_API locket_code locket_release(locket_lock* lock, locket_error** error);

/** Whether locket_release would find something to release that is not lost.
 *
 * @param lock  may be NULL, which holds nothing.
 * @return 1 or 0. */
LOCKET_API int locket_is_held(locket_lock* lock);

/** The fencing token of the hold that locket_release would give back. Tokens strictly increase from
 * grant to grant, on all files, and stay below 2^53.
 *
 * @param lock  may be NULL, which holds nothing.
 * @return 0 if there is none. */
LOCKET_API uint64_t locket_token(locket_lock* lock);

/** Sets a callback for when a lock that was acquired through this handle is lost: the kernel's lock
 * is gone because somebody unlocked the file itself while the daemon was away. The next daemon
 * finds that; except on FUSE, locket_is_held, locket_token and locket_release find it earlier. From
 * then on the lock is not held.
 *
 * The callback runs in a thread of the library, where all signals are blocked, once for each lost
 * lock. If there is no memory to set it, none is set. It may call any function
 * on any lock, and may remove or replace itself; other callbacks wait until it returns.
 * locket_on_lost and locket_free on this handle, when called from another thread, wait until it has
 * returned, so that `context` is no longer in use after them.
 *
 * @param lock  may be NULL; then nothing happens.
 * @param callback  replaces an earlier one; NULL removes it. Gets the handle, the lost lock's
 *                  token, and `context`. Must not throw.
 * @param context  passed to the callback; still belongs to the caller. */
LOCKET_API void locket_on_lost(locket_lock* lock,
                               void (*callback)(locket_lock* lock, uint64_t token, void* context),
                               void* context);

/** Makes the lock that locket_release would give back last beyond an exec(2) in this process, until
 * the process ends, whatever program it runs; this is how `locketctl run` works. Call it right
 * before the exec. The daemon then keeps all locks of this process until the process ends, but only
 * those for which this was called also survive the end of the daemon.
 *
 * If the exec fails, nothing is lost: the lock is held and can be released. It is up to the caller
 * to tell the new program about the lock, for instance in its environment. Blocks for at most one
 * second, if the daemon is stopped or away.
 *
 * @param lock  a held lock.
 * @param command  shown to others as the process's name from now on, cut to 64 bytes; NULL: no
 *                 change. Copied.
 * @param[out] descriptor  if not NULL: set to the descriptor that keeps the kernel's lock, now
 *                         inheritable; -1 on failure. It still belongs to the library, so do not
 *                         close it before the exec. A program that closes it after the exec keeps
 *                         the lock only as long as the daemon lives.
 * @param[out] error  see rule 2.
 * @return LOCKET_NOT_HELD if there is no lock to keep, LOCKET_LOST if it was lost or released
 *         during this call, LOCKET_NOT_PERMITTED if the daemon cannot watch processes,
 *         LOCKET_NO_DAEMON or LOCKET_CONNECTION_LOST if no daemon answers. */
LOCKET_API locket_code locket_keep_across_exec(locket_lock* lock, const char* command,
                                               int* descriptor, locket_error** error);

/** Sets what others are told while this handle's later acquires wait for the lock or hold it.
 *
 * @param lock  its acquires already under way keep the reason that they began with.
 * @param reason  UTF-8, at most 1024 bytes when escaped; NULL for nothing. Copied.
 * @param[out] error  see rule 2.
 * @return LOCKET_INVALID_ARGUMENT if it is longer; then the reason stays as it was. */
LOCKET_API locket_code locket_set_reason(locket_lock* lock, const char* reason,
                                         locket_error** error);

/** The absolute path of the lock file.
 *
 * @param lock  may be NULL.
 * @return bytes, which belong to the lock; "" for NULL. */
LOCKET_API const char* locket_path(const locket_lock* lock);

/** Checks whether locket_acquire would accept this timeout, for wrappers that are given a timeout
 * before they use it.
 *
 * @param timeout  as for locket_acquire; may be NULL.
 * @param[out] error  see rule 2.
 * @return LOCKET_INVALID_ARGUMENT if it would not. */
LOCKET_API locket_code locket_check_timeout(const double* timeout, locket_error** error);

/** The library's version.
 *
 * @return such as "1.2.3"; static. */
LOCKET_API const char* locket_version(void);

/* ---- Errors: what these functions return belongs to the error ----
 *
 * The first call that asks an error about a held lock for its message or holders looks up user
 * names and, for an external holder, reads /proc; it may block as long as getpwuid_r(3) does. */

/** A holder of a lock that could not be acquired. */
typedef struct locket_holder {
  int64_t pid;         /**< 0 if unknown, e.g. in another pid namespace */
  uint32_t uid;        /**< UINT32_MAX if unknown */
  locket_mode mode;    /**< how it holds the lock */
  const char* user;    /**< by getpwuid_r(3), else the number */
  const char* command; /**< as in /proc/PID/comm, or what the process becomes; may be "" */
  const char* reason;  /**< see locket_set_reason; may be "" */
  double since;        /**< when it was granted the lock, in seconds since 1970; 0 if unknown */
  double held_s;       /**< for how many seconds it has held it; 0 if unknown */
  uint64_t token;      /**< 0 for an external holder */
  int external;        /**< 1 if it locked the file without locketd, as flock(1) does; else 0 */
} locket_holder;

/** The code that the failed call returned.
 *
 * @param error  may be NULL.
 * @return LOCKET_OK for NULL. */
LOCKET_API locket_code locket_error_code(const locket_error* error);

/** The system's error number.
 *
 * @param error  may be NULL.
 * @return errno if a system call failed, else 0. */
LOCKET_API int locket_error_os_error(const locket_error* error);

/** The message for people. May block the first time: see above.
 *
 * @param error  may be NULL.
 * @return one line without a full stop, safe to print; "" for NULL. */
LOCKET_API const char* locket_error_message(const locket_error* error);

/** The lock file's path.
 *
 * @param error  may be NULL.
 * @return bytes, not escaped; "" if the failure concerns no file, and for NULL. */
LOCKET_API const char* locket_error_path(const locket_error* error);

/** How many holders the error describes. May block the first time: see above.
 *
 * @param error  may be NULL.
 * @return eight at most; the message says how many more there are. */
LOCKET_API size_t locket_error_holder_count(const locket_error* error);

/** One of the holders. May block the first time: see above.
 *
 * @param error  may be NULL.
 * @param index  from 0.
 * @return NULL if there are not that many. The holder and its texts belong to the error. */
LOCKET_API const locket_holder* locket_error_holder(const locket_error* error, size_t index);

/** Frees the error and all that it returned.
 *
 * @param error  may be NULL. */
LOCKET_API void locket_error_free(locket_error* error);

#ifdef __cplusplus
}
#endif

#endif
