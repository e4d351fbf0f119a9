#include "tests/support/slow_file_system.hpp"

#include <sys/mount.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>

#include "tests/support/eventually.hpp"

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
  // A process that was killed while it waited here can keep the file system from unmounting.
  // Killing the file system ends its connection, and with it every wait; see fuse(4).
  process_->close_input();
  const auto ended = [this] {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(process_->pid()), &info,
                    WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid != 0;
  };
  if (!eventually(ended, std::chrono::seconds(10))) process_->signal(SIGKILL);
  std::ignore = process_->finish();
  process_.reset();
  // In case it was killed.
  std::ignore = ::umount2(folder_.path().c_str(), MNT_DETACH);
}

}  // namespace locket::test
