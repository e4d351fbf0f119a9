#include "client/process.hpp"

#include <pthread.h>

#include <atomic>
#include <memory>

#include "client/fork_guard.hpp"

namespace locket::client {
namespace {

// Never destroyed: see the header. Not a static of process() itself: a child forked while another
// thread is constructing it would wait for that thread forever.
std::atomic<Process*> kept = nullptr;

// What this thread has locked for the fork in progress.
thread_local Process* locked = nullptr;

void prepare() {
  locked = kept.load();
  if (locked != nullptr) before_fork(*locked);
}

void in_parent() {
  if (locked != nullptr) after_fork_in_parent(*locked);
}

void in_child() {
  if (locked != nullptr) {
    after_fork_in_child(*locked);
  } else {
    kept = nullptr;  // another thread made it since prepare(), so its state is unknown
  }
}

[[maybe_unused]] const int kRegistered = ::pthread_atfork(prepare, in_parent, in_child);

}  // namespace

Process& process() {
  Process* known = kept.load();
  if (known != nullptr) return *known;
  auto made = std::make_unique<Process>();
  if (kept.compare_exchange_strong(known, made.get())) return *made.release();
  return *known;  // another thread was faster
}

}  // namespace locket::client
