#include <sys/file.h>

#include <cerrno>
#include <utility>

#include "daemon/flock_locks.hpp"
#include "daemon/held_flock.hpp"

namespace locketd {
namespace {

int operation(Mode mode) {
  return mode == Mode::exclusive ? LOCK_EX : LOCK_SH;
}

}  // namespace

FlockLocks::FlockLocks(ExternalWaits::Post post)
    : waits_(std::move(post), [this](Ticket ticket, int error) { ended(ticket, error); }) {}

void FlockLocks::adopt(Ticket ticket, locket::proto::Descriptor file) {
  files_.emplace(ticket, Custody{std::move(file), false});
}

void FlockLocks::try_lock(Ticket ticket, Mode mode) {
  const int fd = files_.at(ticket).file.get();
  ended(ticket, ::flock(fd, operation(mode) | LOCK_NB) == 0 ? 0 : errno);
}

void FlockLocks::await_lock(Ticket ticket, Mode mode) {
  waits_.start(ticket, files_.at(ticket).file.get(), operation(mode));
}

void FlockLocks::check_lock(Ticket ticket, Mode mode) {
  const auto held = held_flock(files_.at(ticket).file.get());
  const bool enough = held && (mode == Mode::shared || *held == Mode::exclusive);
  ended(ticket, enough ? 0 : EWOULDBLOCK);
}

void FlockLocks::unlock(Ticket ticket) {
  Custody& custody = files_.at(ticket);
  if (std::exchange(custody.locked, false)) ::flock(custody.file.get(), LOCK_UN);
}

void FlockLocks::abandon(Ticket ticket) {
  waits_.interrupt(ticket);
}

void FlockLocks::discard(Ticket ticket) {
  const auto found = files_.find(ticket);
  if (found == files_.end()) return;
  if (found->second.locked) ::flock(found->second.file.get(), LOCK_UN);
  files_.erase(found);
}

void FlockLocks::ended(Ticket ticket, int error) {
  const bool busy = error == EWOULDBLOCK || error == EINTR;
  files_.at(ticket).locked = error == 0;
  report_(ticket, error == 0 ? OsResult::locked : busy ? OsResult::busy : OsResult::failed, error);
}

}  // namespace locketd
