#include <linux/magic.h>
#include <sys/file.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/flock_locks.hpp"
#include "daemon/log.hpp"
#include "daemon/requested_file.hpp"
#include "proto/held_flock.hpp"

namespace locketd {

using locket::proto::Descriptor;
using locket::proto::Errc;
using locket::proto::Error;
using locket::proto::held_flock;

namespace {

int operation(Mode mode) {
  return mode == Mode::exclusive ? LOCK_EX : LOCK_SH;
}

int try_flock(int descriptor, Mode mode) {
  return ::flock(descriptor, operation(mode) | LOCK_NB) == 0 ? 0 : errno;
}

// For a file whose lock others of ours have and share.
int try_sharing(int descriptor) {
  if (held_flock(descriptor).value_or(std::nullopt)) return kLockedAlready;
  return try_flock(descriptor, Mode::shared);
}

// A failed look-up is not "no lock".
int check_flock(int descriptor, Mode mode) {
  const auto held = held_flock(descriptor);
  if (!held) return held.error() == ENOENT ? try_flock(descriptor, mode) : held.error();
  return *held && (mode == Mode::shared || **held == Mode::exclusive) ? 0 : EWOULDBLOCK;
}

bool is_known_to_kernel(int descriptor) {
  return held_flock(descriptor).value_or(std::nullopt).has_value();
}

// A FUSE file system that keeps its locks itself leaves no trace of them in this kernel. There, the
// only way to ask is to lock again.
int check_slow_flock(int descriptor, Mode mode) {
  const int answer = check_flock(descriptor, mode);
  if (answer != EWOULDBLOCK || is_known_to_kernel(descriptor)) return answer;
  struct statfs info{};
  const bool fuse = ::fstatfs(descriptor, &info) == 0 && info.f_type == FUSE_SUPER_MAGIC;
  if (!fuse || try_flock(descriptor, mode) != 0) return EWOULDBLOCK;
  if (!is_known_to_kernel(descriptor)) return 0;
  ::flock(descriptor, LOCK_UN);  // it was a new lock, which this kernel keeps
  return EWOULDBLOCK;
}

// Without a thread, better here than never.
void do_here(SlowFiles::Call call) {
  log::warning("no thread for a slow file: all wait for it");
  call();
}

}  // namespace

FlockLocks::FlockLocks(SlowFiles::Post post, LocalDevices& devices)
    : devices_(devices),
      slow_(post),
      closing_(post),
      waits_(std::move(post), [this](Ticket ticket, int error) { ended(ticket, error); }, slow_) {}

void FlockLocks::adopt(Ticket ticket, PassedFile file) {
  Custody custody;
  custody.id = file.location.file;
  custody.user = file.user;
  if (file.local || devices_.include(file.location)) {
    custody.local = std::move(file.descriptor);
  } else {
    custody.slow = std::make_shared<Descriptor>(std::move(file.descriptor));
  }
  files_.emplace(ticket, std::move(custody));
}

void FlockLocks::open(const std::string& path, UserId user, Opened opened) {
  auto file = std::make_shared<std::expected<Descriptor, Error>>();
  SlowFiles::Call call = [path, file] {
    *file = open_path(path);
    return 0;
  };
  const auto done = [file, opened](int) { opened(std::move(*file)); };
  if (slow_.run(user, std::move(call), done)) return;
  opened(std::unexpected(Error{Errc::bad_file, "no thread to open the file with", EAGAIN}));
}

void FlockLocks::dispose(Descriptor file, UserId user) {
  if (!file) return;
  // Closing what is no file can hang too: a socket with SO_LINGER, a terminal that drains.
  const auto location = locket::proto::locate(file.get());
  if (!location || !devices_.include(*location)) {
    close_slowly(std::make_shared<Descriptor>(std::move(file)), user);
  } else if (location->names == 0) {
    close_unlinked(std::move(file), user);
  }
}

std::size_t FlockLocks::calls_pending(UserId user) const {
  return slow_.pending(user) + closing_.pending(user);
}

std::size_t FlockLocks::calls_pending() const {
  return slow_.pending() + closing_.pending();
}

void FlockLocks::try_lock(Ticket ticket, Mode mode) {
  Custody& custody = files_.at(ticket);
  custody.mode = mode;
  if (custody.is_local()) {
    const int descriptor = custody.descriptor();
    ended(ticket, is_shared(custody) ? try_sharing(descriptor) : try_flock(descriptor, mode));
  } else if (!defer(custody, {ticket, mode, false})) {
    ask_slowly(custody, {ticket, mode, false});
  }
}

void FlockLocks::look_again(Ticket ticket, Mode mode) {
  Custody& custody = files_.at(ticket);
  custody.mode = mode;
  const int descriptor = custody.descriptor();
  const auto own = held_flock(descriptor);
  const bool askable = custody.is_local() && own && !*own;
  ended(ticket, askable ? try_flock(descriptor, mode) : EWOULDBLOCK);
}

void FlockLocks::check_lock(Ticket ticket, Mode mode) {
  Custody& custody = files_.at(ticket);
  custody.mode = mode;
  if (custody.is_local()) {
    ended(ticket, check_flock(custody.descriptor(), mode));
  } else if (!defer(custody, {ticket, mode, true})) {
    ask_slowly(custody, {ticket, mode, true});
  }
}

void FlockLocks::await_lock(Ticket ticket, Mode mode) {
  Custody& custody = files_.at(ticket);
  custody.mode = mode;
  waits_.start(ticket, {custody.descriptor(), custody.user, custody.is_local()}, operation(mode));
}

void FlockLocks::unlock(Ticket ticket) {
  Custody& custody = files_.at(ticket);
  if (!custody.locked) return;
  set_locked(custody, false);
  if (custody.is_local()) {
    ::flock(custody.descriptor(), LOCK_UN);
  } else {
    unlock_slowly(custody.id, custody.slow, custody.user);
  }
}

void FlockLocks::abandon(Ticket ticket) {
  waits_.interrupt(ticket);
  const auto found = unlocking_.find(files_.at(ticket).id);
  if (found == unlocking_.end()) return;
  const auto by_ticket = [&](const Deferred& request) { return request.ticket == ticket; };
  if (std::erase_if(found->second.deferred, by_ticket) != 0) ended(ticket, EINTR);
}

void FlockLocks::discard(Ticket ticket) {
  const auto found = files_.find(ticket);
  if (found == files_.end()) return;
  const bool locked = found->second.locked;
  set_locked(found->second, false);
  // No reference to the file may stay here: the last one closes it.
  Custody custody = std::move(found->second);
  files_.erase(found);
  if (custody.is_local()) {
    if (locked) ::flock(custody.descriptor(), LOCK_UN);
    const auto location = locket::proto::locate(custody.descriptor());
    if (location && location->names == 0) close_unlinked(std::move(custody.local), custody.user);
  } else if (locked) {
    unlock_slowly(custody.id, std::move(custody.slow), custody.user);
  } else {
    close_slowly(std::move(custody.slow), custody.user);
  }
}

std::optional<PassedFile> FlockLocks::give_back(Ticket ticket) {
  const auto found = files_.find(ticket);
  if (found == files_.end() || !found->second.is_local()) {
    discard(ticket);
    return std::nullopt;
  }
  unlock(ticket);
  Custody& custody = found->second;
  PassedFile file{std::move(custody.local), {custody.id, 0}, custody.user, true};
  files_.erase(found);
  return file;
}

bool FlockLocks::finish(std::chrono::steady_clock::duration patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const bool left = waits_.finish(deadline);
  for (auto& [ticket, custody] : files_) {
    if (!custody.is_local()) close_slowly(std::move(custody.slow), custody.user);
  }
  files_.clear();
  const bool closed = closing_.finish(deadline + patience);
  return slow_.finish(deadline + patience) && closed && left;
}

void FlockLocks::set_locked(Custody& custody, bool locked) {
  if (std::exchange(custody.locked, locked) == locked || custody.mode != Mode::shared) return;
  std::size_t& sharers = sharers_[custody.id];
  if (locked) {
    ++sharers;
  } else {
    --sharers;
  }
  if (sharers == 0) sharers_.erase(custody.id);
}

bool FlockLocks::is_shared(const Custody& custody) const {
  return custody.mode == Mode::shared && sharers_.contains(custody.id);
}

bool FlockLocks::defer(const Custody& custody, const Deferred& request) {
  const auto found = unlocking_.find(custody.id);
  if (found == unlocking_.end()) return false;
  found->second.deferred.push_back(request);
  return true;
}

void FlockLocks::ask_slowly(const Custody& custody, const Deferred& request) {
  auto call = [file = custody.slow, mode = request.mode, check = request.check,
               shared = is_shared(custody)] {
    if (check) return check_slow_flock(file->get(), mode);
    return shared ? try_sharing(file->get()) : try_flock(file->get(), mode);
  };
  const auto report = [this, ticket = request.ticket](int error) { ended(ticket, error); };
  if (!slow_.run(custody.user, std::move(call), report)) ended(request.ticket, ENOMEM);
}

void FlockLocks::unlock_slowly(const FileId& id, SharedFile file, SlowFiles::User user) {
  SlowFiles::Call call = [file = std::move(file)] { return ::flock(file->get(), LOCK_UN); };
  ++unlocking_[id].calls;
  if (slow_.run(user, std::move(call), [this, id](int) { unlocked(id); })) return;
  do_here(std::move(call));  // NOLINT(bugprone-use-after-move): run() left it here
  unlocked(id);
}

void FlockLocks::close_slowly(SharedFile file, SlowFiles::User user) {
  SlowFiles::Call call = [file = std::move(file)] { return 0; };
  if (slow_.run(user, std::move(call))) return;
  do_here(std::move(call));  // NOLINT(bugprone-use-after-move): run() left it here
}

// Closing the last descriptor of an unlinked file frees its content: 0.4 s for 1 GB.
void FlockLocks::close_unlinked(Descriptor file, SlowFiles::User user) {
  SlowFiles::Call call = [file = std::move(file)] { return 0; };
  if (closing_.run(user, std::move(call))) return;
  do_here(std::move(call));  // NOLINT(bugprone-use-after-move): run() left it here
}

void FlockLocks::unlocked(const FileId& id) {
  const auto found = unlocking_.find(id);
  if (--found->second.calls > 0) return;
  const auto deferred = std::move(found->second.deferred);
  unlocking_.erase(found);
  for (const Deferred& request : deferred) ask_slowly(files_.at(request.ticket), request);
}

void FlockLocks::ended(Ticket ticket, int error) {
  const bool busy = error == EWOULDBLOCK || error == EINTR;
  set_locked(files_.at(ticket), error == 0);
  report_(ticket, error == 0 ? OsResult::locked : busy ? OsResult::busy : OsResult::failed, error);
}

}  // namespace locketd
