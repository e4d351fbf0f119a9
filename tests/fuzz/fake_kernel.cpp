#include "tests/fuzz/fake_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "proto/lock_file.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace locket::fuzz {
namespace {

using locketd::Mode;
using locketd::OsResult;

bool conflict(Mode a, Mode b) {
  return a == Mode::exclusive || b == Mode::exclusive;
}

}  // namespace

void FakeKernel::adopt(Ticket ticket, locketd::PassedFile file) {
  require(!files_.contains(ticket), "adopted twice");
  const FileId id = file.location.file;
  files_.emplace(ticket, File{std::move(file.descriptor), id});
  on_adopt(ticket, id);
}

int FakeKernel::descriptor(Ticket ticket) const {
  require(files_.contains(ticket), "asked for a descriptor that it has not");
  return files_.at(ticket).descriptor.get();
}

void FakeKernel::try_lock(Ticket ticket, Mode mode) {
  begin(ticket, {.mode = mode});
  if (!prompt) return;
  const bool free = free_for(ticket, mode);
  end(ticket, free ? OsResult::locked : OsResult::busy, 0);
}

void FakeKernel::look_again(Ticket ticket, Mode mode) {
  begin(ticket, {.mode = mode, .looking = true});
  if (prompt) end(ticket, free_for(ticket, mode) ? OsResult::locked : OsResult::busy, 0);
}

void FakeKernel::await_lock(Ticket ticket, Mode mode) {
  begin(ticket, {.mode = mode, .awaiting = true});
}

void FakeKernel::check_lock(Ticket ticket, Mode mode) {
  begin(ticket, {.mode = mode, .checking = true});
  if (prompt) end(ticket, still_held(ticket, mode) ? OsResult::locked : OsResult::busy, 0);
}

// The attempt may have ended before this call.
void FakeKernel::abandon(Ticket ticket) {
  require(files_.contains(ticket), "abandoned after its end");
  if (const auto found = attempts_.find(ticket); found != attempts_.end()) {
    found->second.abandoned = true;
  }
}

void FakeKernel::discard(Ticket ticket) {
  require(!attempts_.contains(ticket), "discarded during its attempt");
  require(files_.erase(ticket) == 1, "discarded without having been adopted");
  locks_.erase(ticket);
  on_discard(ticket);
}

std::optional<locketd::PassedFile> FakeKernel::give_back(Ticket ticket) {
  require(files_.contains(ticket), "given back without having been adopted");
  File& file = files_.at(ticket);
  locketd::PassedFile back{std::move(file.descriptor), {file.id, 0}, 0};
  discard(ticket);
  return back;
}

void FakeKernel::answer(std::size_t which, Whim whim) {
  if (attempts_.empty()) return;
  const auto found = std::next(attempts_.begin(), static_cast<long>(which % attempts_.size()));
  const auto& [ticket, attempt] = *found;
  if (whim == Whim::fail) return end(ticket, OsResult::failed, EIO);
  if (attempt.checking) {
    const bool held = whim == Whim::none && still_held(ticket, attempt.mode);
    return end(ticket, held ? OsResult::locked : OsResult::busy, 0);
  }
  if (whim == Whim::none && free_for(ticket, attempt.mode)) return end(ticket, OsResult::locked, 0);
  // A wait goes on until something ends it.
  if (attempt.awaiting && !attempt.abandoned && whim == Whim::none) return;
  // A free lock is reported busy only if it is no longer wanted.
  if (!attempt.abandoned && free_for(ticket, attempt.mode)) return;
  end(ticket, OsResult::busy, 0);
}

void FakeKernel::external(const FileId& file, Mode mode) {
  if (externals_.erase(file) == 0 && !ours_exclude(file, mode)) externals_[file] = mode;
}

void FakeKernel::begin(Ticket ticket, Attempt attempt) {
  require(files_.contains(ticket), "tried without a descriptor");
  require(!locks_.contains(ticket), "tried although it is locked");
  require(attempt.checking || attempt.looking || !ours_exclude(files_.at(ticket).id, attempt.mode),
          "tried although one of ours excludes it");
  require(attempts_.emplace(ticket, attempt).second, "tried twice at a time");
}

void FakeKernel::end(Ticket ticket, OsResult result, int os_error) {
  if (result == OsResult::locked) locks_[ticket] = attempts_.at(ticket).mode;
  attempts_.erase(ticket);
  report_(ticket, result, os_error);
}

// A former holder's description has the lock unless another's has; what looked like an external
// holder was this one.
bool FakeKernel::still_held(Ticket ticket, Mode mode) {
  const FileId& file = files_.at(ticket).id;
  if (ours_exclude(file, mode)) return false;
  externals_.erase(file);
  return true;
}

bool FakeKernel::free_for(Ticket ticket, Mode mode) const {
  const FileId& file = files_.at(ticket).id;
  const auto external = externals_.find(file);
  if (external != externals_.end() && conflict(external->second, mode)) return false;
  return !ours_exclude(file, mode);
}

bool FakeKernel::ours_exclude(const FileId& file, Mode mode) const {
  return std::ranges::any_of(locks_, [&](const auto& lock) {
    return files_.at(lock.first).id == file && conflict(lock.second, mode);
  });
}

}  // namespace locket::fuzz
