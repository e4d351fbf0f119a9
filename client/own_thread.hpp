// The library's own threads.

#pragma once

namespace locket::client {

// Starts a thread that is never joined, with all signals blocked: handlers are for the program's
// own threads. False if the system has no room for a thread.
//
// Its stack has the usual size. A smaller one would have to hold the program's thread-local
// variables as well, however large: glibc places them on the stack.
[[nodiscard]] bool start_thread(void* (*body)(void*), void* argument);

// What debuggers and top(1) show; 15 bytes at most.
void name_this_thread(const char* name);

}  // namespace locket::client
