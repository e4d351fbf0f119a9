// The library's own threads.

#pragma once

#include <cstddef>

namespace locket::client {

// Starts a thread that is never joined, with all signals blocked: handlers are for the program's
// own threads. `stack` is in bytes, 0 for the usual size. False if the system has no room for a
// thread.
[[nodiscard]] bool start_thread(std::size_t stack, void* (*body)(void*), void* argument);

// What debuggers and top(1) show; 15 bytes at most.
void name_this_thread(const char* name);

}  // namespace locket::client
