// Threads of the library's own.

#pragma once

#include <cstddef>

namespace locket::client {

// Starts a thread that nobody joins, with all signals blocked: handlers are for the program's own
// threads. `stack` bytes, 0 for the usual size. False where the system has no room for one.
[[nodiscard]] bool start_thread(std::size_t stack, void* (*body)(void*), void* argument);

// What debuggers and top(1) show; 15 bytes at most.
void name_this_thread(const char* name);

}  // namespace locket::client
