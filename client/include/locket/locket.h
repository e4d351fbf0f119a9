/** @file
 * liblocket: file locks that processes of one machine take in turn, arbitrated by locketd.
 *
 * A lock is held by a process, on a file: device and inode, by whatever path (C1). A held lock is
 * an flock(2) on that very file, so flock(1), locket.py and filelock keep working beside it (C6).
 *
 * The rules of this interface:
 *
 *  1. Ownership. What a function of the name locket_*new* hands out is freed by locket_free, and an
 *     error by locket_error_free; both take NULL. Every other pointer that comes out belongs to the
 *     object that it was asked of and lives as long as that.
 *  2. Errors. What can fail returns a locket_code, LOCKET_OK (0) for success. `error` may be NULL;
 *     else *error is set in every case: to NULL on success, to a new object on failure. A NULL for
 *     anything else that is not said to take it is LOCKET_INVALID_ARGUMENT.
 *  3. Threads. Every function may be called from any thread at any time, also on the same lock, but
 *     for locket_free and locket_error_free, which must be the last call on their object. A
 *     locket_error does not change. Not for signal handlers.
 *  4. Text. Paths are bytes that end with a NUL, as the kernel takes them. All else is UTF-8; in
 *     texts that others chose (commands, reasons, and paths inside of messages) control characters
 *     and broken UTF-8 are escaped as `\n`, `\xHH`, so they are safe to print.
 *  5. Time. Seconds as double; durations on the monotonic clock, dates since the epoch (1970).
 *     What does not say that it blocks does not; what looks at the lock file takes as long as its
 *     file system does.
 *  6. Fork. A child of fork(2) holds nothing of its parent's, and nothing that it does, its end
 *     included, disturbs the parent; not even a release, which is LOCKET_NOT_HELD (C10). It may
 *     lock on its own, with handles made before the fork too. (Not of vfork(2) or a bare
 *     clone(2), whose children may only exec.) Locks end at exec(2), but see
 *     locket_keep_across_exec.
 *  7. Stability. Symbols, constants and the order of members never change within one soname. Codes
 *     may be added: treat an unknown one as LOCKET_INTERNAL. Members are only added at the end of a
 *     struct, which is why only the library makes one.
 *
 * The library makes one connection to the daemon, when it is first needed, and keeps it. It looks
 * for the socket at $LOCKET_SOCKET, else $XDG_RUNTIME_DIR/locket/locketd.sock, then
 * /run/locket/locketd.sock.
 *
 * The daemon may be restarted or die at any time (C9): what is held stays held, what waits keeps
 * its place and its deadline. Whoever begins meanwhile waits up to a second for its return, if this
 * process had a daemon before; one that never had is told at once that there is none, unless
 * systemd keeps the socket. For that the library has one thread from the first acquire on, which
 * sleeps until the daemon is gone; where the system has no room for a thread, the next call does
 * its work. It blocks all signals, and the library installs no signal handler. */

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
  LOCKET_TIMED_OUT = 1,        /**< others held the lock all the time, or the daemon was stopped */
  LOCKET_NOT_HELD = 2,         /**< cannot release unlocked lock; nothing has changed */
  LOCKET_INVALID_ARGUMENT = 3, /**< a timeout, path or reason that nothing can be done with */
  LOCKET_FILE_ERROR = 4,       /**< the lock file cannot be opened or locked */
  LOCKET_NO_DAEMON = 5,        /**< no locketd answers, or none that speaks this protocol */
  LOCKET_CONNECTION_LOST = 6,  /**< locketd went away again and again while this call asked it */
  LOCKET_LIMIT_REACHED = 7,    /**< a limit of locketd's or of the system's; the message names it */
  LOCKET_NOT_PERMITTED = 8, /**< locketd does not permit it, as where it cannot watch a process */
  LOCKET_INTERNAL = 9,      /**< out of memory, or a mistake in locketd or this library */
  LOCKET_LOST = 10          /**< the lock was held, and was lost while its daemon was away */
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
 *              made absolute by the working directory of now.
 * @param[out] lock  the handle, to be freed by locket_free; NULL on failure.
 * @param[out] error  see rule 2.
 * @return LOCKET_INVALID_ARGUMENT for a path that is empty or too long, LOCKET_FILE_ERROR where the
 *         working directory is gone. */
LOCKET_API locket_code locket_new(const char* path, locket_lock** lock, locket_error** error);

/** Releases every lock that was acquired through this handle and is still held, and frees it. Does
 * not wait for the daemon, but for a callback of locket_on_lost that runs for this lock.
 *
 * @param lock  that no other thread is in a call on; may be NULL. */
LOCKET_API void locket_free(locket_lock* lock);

/** Waits for the lock and takes it. First come, first served among the daemon's clients (C4).
 *
 * Blocks for as long as `timeout` says and no longer, never gives up earlier, and also gives up
 * when the daemon is stopped, 20 ms later (C3). A daemon that goes away ends no wait.
 *
 * Opens the file for reading, or for writing where only that is allowed, and creates it with mode
 * 0666 less umask where it is missing; never writes to it (C12). When the file was unlinked or
 * replaced meanwhile, begins again with the time that is left (C11).
 *
 * Not re-entrant: a second exclusive acquire waits for the first one's release, also in the thread
 * that holds the lock. Shared locks may be held many times, also through one handle; each needs a
 * release of its own.
 *
 * @param lock  may be in use by other threads, also for another acquire.
 * @param mode  LOCKET_EXCLUSIVE or LOCKET_SHARED.
 * @param timeout  points to seconds from 0 to 1e9, fractions allowed: 0 tries once, NULL waits for
 *                 ever, as with select(2).
 * @param[out] error  after LOCKET_TIMED_OUT it tells who holds the lock (C13), or that the daemon
 *                    was stopped or away.
 * @return any code but LOCKET_NOT_HELD and LOCKET_LOST. With timeout 0, LOCKET_NO_DAEMON also
 *         stands for a daemon that gave no answer for a second. */
LOCKET_API locket_code locket_acquire(locket_lock* lock, locket_mode mode, const double* timeout,
                                      locket_error** error);

/** Gives back one hold: the one that the calling thread acquired last through this handle, else the
 * last one acquired through it, else any that this process has on the file that the path names now
 * (C5). When it returns, the lock is free or the next waiter's (C7).
 *
 * Any thread may do so; of two that race for one hold exactly one succeeds. Does not wait for the
 * daemon, and works without one.
 *
 * The file is closed, but where this handle has acquired it twice within 10 ms: then it may stay
 * open, unlocked, for up to 0.2 s, for the next acquire. locket_free closes it.
 *
 * @param lock  through which, or through another handle on the same file, the lock was acquired.
 * @param[out] error  see rule 2.
 * @return LOCKET_NOT_HELD when there is none to give back; then nothing changes. LOCKET_LOST when
 *         there is none left but one that was lost, which is said once for each. */
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
 * @return 0 when there is none. */
LOCKET_API uint64_t locket_token(locket_lock* lock);

/** Has a function called when a lock that was acquired through this handle is lost: when the
 * kernel's lock is gone, since somebody unlocked the file itself while the daemon was away. That is
 * found by the next daemon, or before by locket_is_held, locket_token and locket_release, but on
 * FUSE. From then on the lock is not held.
 *
 * It is called from a thread of the library's, once for each lost lock. It may call anything on any
 * lock, and may end or replace itself; other callbacks wait until it returns. locket_on_lost and
 * locket_free, called from elsewhere, wait until it has returned, so that `context` is no longer in
 * use after them.
 *
 * @param lock  may be NULL; then nothing happens.
 * @param callback  replaces an earlier one; NULL is none. Gets the handle, the lost lock's token,
 *                  and `context`. Must not throw.
 * @param context  whatever the callback wants; stays the caller's. */
LOCKET_API void locket_on_lost(locket_lock* lock,
                               void (*callback)(locket_lock* lock, uint64_t token, void* context),
                               void* context);

/** Makes the lock that locket_release would give back last beyond an exec(2) in this process, until
 * the process ends, whatever it becomes; that is how `locketctl run` works. Call it right before
 * the exec. The daemon then keeps all locks of this process until its end, but only those for which
 * this was called also survive the daemon's.
 *
 * Where the exec fails, nothing is lost: the lock is held and can be released. How the new program
 * learns of the lock is yours to say, as by its environment. Blocks for a second at most, when the
 * daemon is stopped or away.
 *
 * @param lock  that is held.
 * @param command  what others are shown as the process's name from now on, cut to 64 bytes; NULL:
 * no change. Copied.
 * @param[out] descriptor  where it is not NULL: the descriptor that keeps the kernel's lock, now
 *                         inheritable; -1 on failure. It stays the library's, so do not close it
 *                         before the exec. A program that closes it after the exec keeps the lock
 * as long as the daemon lives.
 * @param[out] error  see rule 2.
 * @return LOCKET_NOT_HELD when there is none to keep, LOCKET_LOST when it was lost or released just
 *         now, LOCKET_NOT_PERMITTED where the daemon cannot watch processes, LOCKET_NO_DAEMON or
 *         LOCKET_CONNECTION_LOST where none answers. */
LOCKET_API locket_code locket_keep_across_exec(locket_lock* lock, const char* command,
                                               int* descriptor, locket_error** error);

/** What others are told while this handle's later acquires wait or hold.
 *
 * @param lock  whose acquires under way keep the reason that they began with.
 * @param reason  UTF-8, at most 1024 bytes when escaped; NULL for nothing. Copied.
 * @param[out] error  see rule 2.
 * @return LOCKET_INVALID_ARGUMENT when it is longer; then the reason stays as it was. */
LOCKET_API locket_code locket_set_reason(locket_lock* lock, const char* reason,
                                         locket_error** error);

/** The absolute path of the lock file.
 *
 * @param lock  may be NULL.
 * @return bytes, which belong to the lock; "" for NULL. */
LOCKET_API const char* locket_path(const locket_lock* lock);

/** Whether locket_acquire would take this timeout. For wrappers that are given one before they need
 * it.
 *
 * @param timeout  as locket_acquire has it; NULL is fine.
 * @param[out] error  see rule 2.
 * @return LOCKET_INVALID_ARGUMENT where it would not. */
LOCKET_API locket_code locket_check_timeout(const double* timeout, locket_error** error);

/** The library's version.
 *
 * @return as "1.2.3"; static. */
LOCKET_API const char* locket_version(void);

/* ---- Errors: what they return belongs to the error ----
 *
 * Of an error about somebody else's lock, the first call for its message or holders looks up user
 * names and, for an external holder, /proc; it may block as long as getpwuid_r(3) does. */

/** One who holds a lock that was not had. */
typedef struct locket_holder {
  int64_t pid;         /**< 0 when it cannot be told, as from another pid namespace */
  uint32_t uid;        /**< UINT32_MAX when it cannot be told */
  locket_mode mode;    /**< in which it holds the lock */
  const char* user;    /**< by getpwuid_r(3), else the number */
  const char* command; /**< as in /proc/PID/comm, or what the process becomes; may be "" */
  const char* reason;  /**< see locket_set_reason; may be "" */
  double since;        /**< when it got the lock, in seconds since 1970; 0 when it cannot be told */
  double held_s;       /**< for how many seconds it has had it; 0 when it cannot be told */
  uint64_t token;      /**< 0 for an external holder */
  int external;        /**< 1 when it locked the file without locketd, as flock(1) does; else 0 */
} locket_holder;

/** What the call that failed returned.
 *
 * @param error  may be NULL.
 * @return LOCKET_OK for NULL. */
LOCKET_API locket_code locket_error_code(const locket_error* error);

/** The system's reason.
 *
 * @param error  may be NULL.
 * @return errno where a system call failed, else 0. */
LOCKET_API int locket_error_os_error(const locket_error* error);

/** What to tell people. May block the first time: see above.
 *
 * @param error  may be NULL.
 * @return one line without a full stop, safe to print; "" for NULL. */
LOCKET_API const char* locket_error_message(const locket_error* error);

/** The lock file's path.
 *
 * @param error  may be NULL.
 * @return bytes, not escaped; "" where the failure concerns no file, and for NULL. */
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
 * @return NULL when there are not so many. It and its texts belong to the error. */
LOCKET_API const locket_holder* locket_error_holder(const locket_error* error, size_t index);

/** Frees the error and all that it returned.
 *
 * @param error  may be NULL. */
LOCKET_API void locket_error_free(locket_error* error);

#ifdef __cplusplus
}
#endif

#endif
