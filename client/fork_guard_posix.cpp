#include "client/fork_guard.hpp"
#include "client/process.hpp"

namespace locket::client {
void before_fork(Process& process) {
  process.handles.lock();
  process.connection.lock();
  process.custody.lock();
  process.herald.lock();
  process.parking.lock();
}

void after_fork_in_parent(Process& process) {
  process.parking.unlock();
  process.herald.unlock();
  process.custody.unlock();
  process.connection.unlock();
  process.handles.unlock();
}

void after_fork_in_child(Process& process) {
  process.connection.forget();
  process.custody.forget();
  process.herald.forget();
  process.parking.forget();
  // A mutex must be unlocked by the thread that locked it: the forking thread.
  after_fork_in_parent(process);
}

}  // namespace locket::client
