#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>
#include <variant>

#include "client/ctl/doctor/checks.hpp"
#include "client/ctl/doctor/file_system.hpp"
#include "client/ctl/doctor/interview.hpp"
#include "client/ctl/doctor/place.hpp"
#include "client/external_holder.hpp"
#include "client/holders.hpp"
#include "client/socket_search.hpp"
#include "proto/held_flock.hpp"
#include "proto/lock_file.hpp"
#include "proto/socket_path.hpp"
#include "proto/text.hpp"

namespace locketctl {
namespace {

namespace client = locket::client;
namespace proto = locket::proto;
using proto::Descriptor;
using proto::escape;

constexpr char kPath[] = "path";
constexpr char kFileSystem[] = "file system";
constexpr char kFlock[] = "flock";
constexpr char kHolder[] = "holder";

// As client and daemon open a lock file (lock_file.hpp), but without creating it.
constexpr int kFlags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

// What the steps share, in the process that runs them.
struct Subject {
  std::string path;    // absolute
  std::string folder;  // where the file would be created
  Descriptor file;     // none if it cannot be opened
  Descriptor place;    // file, or else folder: its file system is checked
  bool missing = false;
};

std::string error_text() {
  return std::strerror(errno);
}

void open_existing(Subject& subject, const Tell& tell) {
  const char* const path = subject.path.c_str();
  struct stat info{};
  ::stat(path, &info);
  if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
    tell(problem(kPath, fmt::format("{} is neither a file nor a folder", escape(subject.path)),
                 "choose a path that is, or that is not there yet"));
    return;
  }
  subject.file.reset(::open(path, O_RDONLY | kFlags));
  const bool readable = static_cast<bool>(subject.file);
  if (!readable) subject.file.reset(::open(path, O_WRONLY | kFlags));
  if (!subject.file) {
    tell(problem(kPath,
                 fmt::format("cannot open {}, which belongs to {} and has the mode {:04o}: {}",
                             escape(subject.path), client::user_name(info.st_uid),
                             info.st_mode & 07777U, error_text()),
                 "let those who lock it read it (chmod, chgrp), or choose another"));
    return;
  }
  tell(ok(kPath, fmt::format("{} is there, and can be opened for {}", escape(subject.path),
                             readable ? "reading" : "writing")));
}

void check_path(Subject& subject, const Tell& tell) {
  auto absolute = proto::absolute(subject.path);
  if (!absolute) {
    tell(problem(kPath, absolute.error().message, "choose another path"));
    return;
  }
  subject.path = std::move(*absolute);
  const Place place = place_of(subject.path);
  subject.folder = place.folder;
  struct stat info{};
  if (::stat(subject.path.c_str(), &info) == 0) {
    open_existing(subject, tell);
  } else if (errno == ENOENT || errno == ENOTDIR) {
    subject.missing = true;
    tell(look_at(place, subject.path, kPath));
  } else {
    const bool forbidden = errno == EACCES;
    tell(problem(kPath, fmt::format("{}: {}", escape(subject.path), error_text()),
                 forbidden ? "see that you may search all folders on the way to it"
                           : "choose another path"));
  }
}

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

FileSystem file_system_of(int fd, bool is_folder) {
  struct statfs info{};
  ::fstatfs(fd, &info);
  FileSystem found;
  // The value has 32 bits, even if the type is wider and signed.
  found.magic = static_cast<std::uint32_t>(info.f_type);
  found.is_folder = is_folder;
  if (const auto location = proto::locate(fd)) {
    found.mount = mount_in(read_all("/proc/self/mountinfo"), location->mount);
    found.file_device = location->file.device;
  }
  return found;
}

FileSystem file_system_of(const Subject& subject) {
  const int fd = subject.file ? subject.file.get() : subject.place.get();
  struct stat info{};
  ::fstat(fd, &info);
  return file_system_of(fd, S_ISDIR(info.st_mode));
}

void check_file_system(Subject& subject, const Tell& tell) {
  // The folder's file system, even if the file cannot be opened.
  if (!subject.file && !subject.folder.empty()) {
    subject.place.reset(::open(subject.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  if (subject.file || subject.place) tell(expectation_of(file_system_of(subject)));
}

void tell_failed(const char* what, const Tell& tell) {
  tell(problem(kFlock, fmt::format("does not work: {}: {}", what, error_text()),
               "use a lock file on a local file system"));
}

// NFS grants an exclusive lock only to a process that has the file open for writing (flock(2)).
bool refuses_exclusive(const Subject& subject, const Tell& tell) {
  const auto magic = file_system_of(subject).magic;
  if (!proto::wants_writable(magic, proto::Mode::exclusive)) return false;
  Descriptor again(::open(subject.path.c_str(), O_RDONLY | kFlags));
  const Descriptor file = proto::made_writable(std::move(again), subject.path);
  if ((::fcntl(file.get(), F_GETFL) & O_ACCMODE) != O_RDONLY) return false;
  // Not so if the mount keeps its locks on this machine.
  if (::flock(subject.file.get(), LOCK_EX | LOCK_NB) == 0 || errno == EWOULDBLOCK) return false;
  tell(
      problem(kFlock,
              fmt::format("a shared lock works, but {} gives an exclusive one to him alone who may "
                          "write to the file, and you may not",
                          name_of(file_system_of(subject))),
              "let those who lock it write to it (chmod, chgrp), or use a lock file on a local "
              "file system"));
  return true;
}

// Only for a moment, and shared, so that it conflicts with no other shared lock.
void try_to_lock(const Subject& subject, const Tell& tell) {
  const int fd = subject.file.get();
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return tell_failed("flock", tell);
    return tell(ok(kFlock, "works: another has the lock now"));
  }
  const bool known = proto::held_flock(fd).value_or(std::nullopt).has_value();
  const bool refused = refuses_exclusive(subject, tell);
  ::flock(fd, LOCK_UN);
  if (refused) return;
  tell(ok(kFlock, known ? "works: got a shared lock, kept by this kernel"
                        : "works: got a shared lock, kept by the file system itself"));
}

void check_flock(Subject& subject, const Tell& tell) {
  // A file without a name, visible to no one, stands in for one that does not exist yet.
  const bool stands_in = !subject.file && subject.missing;
  if (stands_in) {
    subject.file.reset(::open(subject.folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  }
  if (!subject.file) {
    if (stands_in && errno == EOPNOTSUPP) {
      tell(warning(kFlock, "not tried: there is no file yet", "make it, and ask again"));
    }
    return;
  }
  try_to_lock(subject, tell);
  if (stands_in) subject.file.reset();
}

std::string describe(const proto::Row& row) {
  std::string text = fmt::format("held by pid {} ({}, user {}) for {}", row.pid,
                                 row.command.empty() ? "-" : row.command,
                                 client::user_name(row.uid), client::duration_text(row.age));
  if (!row.reason.empty()) text += ": " + row.reason;
  return text;
}

std::string describe(const client::ExternalHolder& holder) {
  return fmt::format("held without locketd by pid {} ({}, user {})", holder.pid, holder.command,
                     holder.uid ? client::user_name(*holder.uid) : "-");
}

struct Heard {
  std::int64_t daemon_pid = 0;
  std::vector<proto::Row> rows;
};

// None if no daemon answers.
std::optional<Heard> ask_daemon(proto::FileId file) {
  auto found = client::find_daemon(proto::socket_candidates());
  if (!found) return std::nullopt;
  Interview interview(std::move(found->socket));
  const auto greeted = interview.ask(greeting());
  const auto* welcome = greeted ? std::get_if<proto::Welcome>(&*greeted) : nullptr;
  if (welcome == nullptr) return std::nullopt;
  auto listed = interview.ask(proto::List{file, {}});
  auto* page = listed ? std::get_if<proto::Page>(&*listed) : nullptr;
  if (page == nullptr) return std::nullopt;
  return Heard{welcome->pid, std::move(page->rows)};
}

void check_holder(const Subject& subject, const Tell& tell) {
  if (!subject.file) return;
  const auto file = proto::identify(subject.file.get());
  if (!file) return;
  const auto heard = ask_daemon(*file);
  std::size_t waiters = 0;
  std::string held;
  for (const proto::Row& row : heard ? heard->rows : std::vector<proto::Row>{}) {
    if (row.state == proto::Row::State::waiting) ++waiters;
    if (row.state == proto::Row::State::held && held.empty()) held = describe(row);
  }
  if (held.empty()) {
    const auto external = client::find_external_holder(*file, heard ? heard->daemon_pid : 0);
    held = external ? describe(*external)
           : heard  ? "nobody holds it, as far as you may look"
                    : "nobody is known to hold it, but no daemon was there to ask";
  }
  if (waiters > 0) held += fmt::format("; {} wait for it", waiters);
  tell(ok(kHolder, held));
}

}  // namespace

std::vector<Step> path_steps(const std::string& path) {
  const auto subject = std::make_shared<Subject>();
  subject->path = path;
  constexpr char kHangs[] =
      "its file system hangs, and so will all who lock it: see the server or program behind it "
      "(findmnt -T), or use a lock file on a local file system";
  return {
      {kPath, [subject](const Tell& tell) { check_path(*subject, tell); }, kHangs},
      {kFileSystem, [subject](const Tell& tell) { check_file_system(*subject, tell); }, kHangs},
      {kFlock, [subject](const Tell& tell) { check_flock(*subject, tell); }, kHangs},
      {kHolder, [subject](const Tell& tell) { check_holder(*subject, tell); },
       "see whether the daemon answers: locketctl doctor"},
  };
}

}  // namespace locketctl
