#include "tests/support/slow_file_system.hpp"

#include <sys/mount.h>

#include <filesystem>

namespace locket::test {

#ifdef SLOW_FS
SlowFileSystem::SlowFileSystem(Locks locks) {
  std::filesystem::permissions(folder_.path(), std::filesystem::perms{0755});
  Command command{{SLOW_FS, folder_.path()}};
  if (locks == Locks::own) command.words.emplace_back("--own-locks");
  process_ = std::make_unique<Child>(command);
  mounted_ = process_->line() == "ready";
}
#else
SlowFileSystem::SlowFileSystem(Locks) {}
#endif

SlowFileSystem::~SlowFileSystem() {
  if (!process_) return;
  if (mounted_) go();
  std::ignore = process_->finish();
  process_.reset();
  // Where it was killed.
  std::ignore = ::umount2(folder_.path().c_str(), MNT_DETACH);
}

}  // namespace locket::test
