/* The least that a lock daemon of this kind can do: the same system calls with constant bytes, and
   no library, no queue, no second client. What locketd takes beyond this is its own cost.

   Functions return -1 and set errno if a system call fails. */

#ifndef LOCKET_TESTS_BENCH_FLOOR_H
#define LOCKET_TESTS_BENCH_FLOOR_H

#ifdef __cplusplus
extern "C" {
#endif

int floor_connect(const char* socket_path);

/* Opens the file, passes it, and waits for the reply; returns the file's descriptor. */
int floor_acquire(int server, const char* path);

/* Unlocks, gives notice, and closes. */
int floor_release(int server, int file);

/* One byte there and back. */
int floor_ping(int server);

/* Acts as the daemon: one client at a time, until it is killed. */
int floor_serve(const char* socket_path);

/* The same for many clients at once, waiting in epoll(7). */
int floor_serve_many(const char* socket_path);

#ifdef __cplusplus
}
#endif

#endif
