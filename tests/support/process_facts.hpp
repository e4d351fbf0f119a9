// What /proc tells about a process.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace locket::test {

// What each of its descriptors refers to.
std::vector<std::string> open_descriptors(pid_t process);

std::set<pid_t> threads_of(pid_t process);

// How often the thread has gone to sleep: once for each time it woke.
long sleeps_of(pid_t process, pid_t thread);

std::size_t resident_bytes(pid_t process);

// 'R', 'S', 'T'...: proc_pid_stat(5); '\0' if there is no such process.
char state_of(pid_t process);

}  // namespace locket::test
