// A file system that hangs on command: any user can mount one like it, and a network mount hangs
// the same way at times.
//
//   slow_fs FOLDER [--own-locks]
//
// Prints "ready" when it is mounted. Any name in the folder is an empty file. Reads commands, one a
// line, from its standard input, and answers each with one line:
//
//   stall OPERATION...   holds these back from now on: open, getattr, statfs, flock, flush, release
//   go                   answers all that was held back, and holds nothing back any more
//   held OPERATION       how many it holds back now
//
// With --own-locks it also handles flock(2); else the kernel manages those locks. Ends, and
// unmounts, at the end of its input, and in any case after two minutes, so that nothing hangs
// forever.

#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <list>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr double kForLong = 3600;
constexpr unsigned kLifetimeSeconds = 120;

struct Held {
  std::string operation;
  std::function<void()> answer;
};

struct Owner {
  fuse_ino_t file;
  std::uint64_t owner;
  bool operator==(const Owner&) const = default;
  auto operator<=>(const Owner&) const = default;
};

struct BlockedLock {
  fuse_req_t request;
  Owner owner;
  bool exclusive;
};

std::map<std::string, fuse_ino_t> files;
std::set<std::string> stalled;
std::vector<Held> held;
std::map<Owner, bool> locks;  // exclusive?
std::list<BlockedLock> blocked;

void answer(const std::string& operation, std::function<void()> now) {
  if (stalled.contains(operation)) {
    held.push_back({operation, std::move(now)});
  } else {
    now();
  }
}

struct stat attributes_of(fuse_ino_t file) {
  struct stat info{};
  info.st_ino = file;
  info.st_mode = file == FUSE_ROOT_ID ? S_IFDIR | 0777 : S_IFREG | 0666;
  info.st_nlink = 1;
  return info;
}

// ---- Its locks ----

bool admits(const Owner& owner, bool exclusive) {
  return std::ranges::none_of(locks, [&](const auto& lock) {
    return lock.first.file == owner.file && lock.first.owner != owner.owner &&
           (exclusive || lock.second);
  });
}

void unlock(const Owner& owner) {
  locks.erase(owner);
  for (auto waiting = blocked.begin(); waiting != blocked.end();) {
    if (admits(waiting->owner, waiting->exclusive)) {
      locks[waiting->owner] = waiting->exclusive;
      fuse_reply_err(waiting->request, 0);
      waiting = blocked.erase(waiting);
    } else {
      ++waiting;
    }
  }
}

void interrupted(fuse_req_t request, void*) {
  if (stalled.contains("flock")) return;
  const auto waiting = std::ranges::find(blocked, request, &BlockedLock::request);
  if (waiting == blocked.end()) return;
  blocked.erase(waiting);
  fuse_reply_err(request, EINTR);
}

void lock(fuse_req_t request, const Owner& owner, int operation) {
  const bool exclusive = (operation & LOCK_EX) != 0;
  if ((operation & LOCK_UN) != 0) {
    unlock(owner);
    fuse_reply_err(request, 0);
  } else if (admits(owner, exclusive)) {
    locks[owner] = exclusive;
    fuse_reply_err(request, 0);
  } else if ((operation & LOCK_NB) != 0) {
    fuse_reply_err(request, EWOULDBLOCK);
  } else {
    blocked.push_back({request, owner, exclusive});
    fuse_req_interrupt_func(request, interrupted, nullptr);
  }
}

// ---- Its operations ----

void look_up(fuse_req_t request, fuse_ino_t, const char* name) {
  const auto [file, is_new] = files.try_emplace(name, files.size() + FUSE_ROOT_ID + 1);
  fuse_entry_param entry{};
  entry.ino = file->second;
  entry.attr = attributes_of(entry.ino);
  entry.entry_timeout = kForLong;
  fuse_reply_entry(request, &entry);
}

void get_attributes(fuse_req_t request, fuse_ino_t file, fuse_file_info*) {
  answer("getattr", [=] {
    const struct stat info = attributes_of(file);
    fuse_reply_attr(request, &info, 0);
  });
}

void open_file(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  answer("open", [request, opened = *info] { fuse_reply_open(request, &opened); });
}

void tell_statistics(fuse_req_t request, fuse_ino_t) {
  answer("statfs", [=] {
    const struct statvfs info{};
    fuse_reply_statfs(request, &info);
  });
}

void flush(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  answer("flush", [=] { fuse_reply_err(request, 0); });
}

void release(fuse_req_t request, fuse_ino_t file, fuse_file_info* info) {
  if (info->flock_release != 0) unlock({file, info->lock_owner});
  answer("release", [=] { fuse_reply_err(request, 0); });
}

void take_lock(fuse_req_t request, fuse_ino_t file, fuse_file_info* info, int operation) {
  answer("flock", [=, owner = Owner{file, info->lock_owner}] { lock(request, owner, operation); });
}

// ---- Its commands ----

std::string obey(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string operation;
  words >> verb;
  if (verb == "stall") {
    while (words >> operation) stalled.insert(operation);
  } else if (verb == "go") {
    stalled.clear();
    for (const Held& one : std::exchange(held, {})) one.answer();
  } else if (verb == "held") {
    words >> operation;
    return std::to_string(std::ranges::count(held, operation, &Held::operation));
  } else {
    return "what?";
  }
  return "ok";
}

// False at the end of the input.
bool obey_input() {
  static std::string unread;
  std::array<char, 4096> buffer{};
  const ssize_t length = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (length <= 0) return false;
  unread.append(buffer.data(), static_cast<std::size_t>(length));
  for (auto end = unread.find('\n'); end != std::string::npos; end = unread.find('\n')) {
    const std::string line = unread.substr(0, end);
    unread.erase(0, end + 1);
    std::cout << obey(line) << std::endl;
  }
  return true;
}

void serve(fuse_session* session) {
  fuse_buf buffer{};
  for (bool open = true; open && fuse_session_exited(session) == 0;) {
    std::array<pollfd, 2> sources{
        {{fuse_session_fd(session), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
    if (::poll(sources.data(), sources.size(), -1) < 0) break;
    if (sources[1].revents != 0) open = obey_input();
    if (sources[0].revents == 0) continue;
    if (fuse_session_receive_buf(session, &buffer) > 0) fuse_session_process_buf(session, &buffer);
  }
  obey("go");
  std::free(buffer.mem);
}

}  // namespace

int main(int argc, char** argv) {
  ::alarm(kLifetimeSeconds);
  fuse_lowlevel_ops operations{};
  operations.lookup = look_up;
  operations.getattr = get_attributes;
  operations.open = open_file;
  operations.statfs = tell_statistics;
  operations.flush = flush;
  operations.release = release;
  if (argc == 3 && std::string(argv[2]) == "--own-locks") operations.flock = take_lock;

  std::vector<std::string> words{argv[0], "-ofsname=slow_fs"};
  if (::geteuid() == 0) words.emplace_back("-oallow_other");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(pointers.size()), pointers.data());

  fuse_session* session = fuse_session_new(&arguments, &operations, sizeof operations, nullptr);
  if (argc < 2 || session == nullptr || fuse_session_mount(session, argv[1]) != 0) {
    std::cout << "cannot mount" << std::endl;
    return EXIT_FAILURE;
  }
  std::cout << "ready" << std::endl;
  serve(session);
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  return EXIT_SUCCESS;
}
