#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "daemon/kept_sessions.hpp"
#include "proto/codec.hpp"

namespace locketd {

namespace proto = locket::proto;
using proto::Descriptor;

namespace {

constexpr std::string_view kRecord = "record";
constexpr std::string_view kProcess = "process";

// A session's name is "session.UID.KEPT_AT.SEQUENCE"; a descriptor's name is that with one of these
// behind it.
std::string name_of(const std::string& session, std::string_view part) {
  return fmt::format("{}.{}", session, part);
}
std::string file_name(const std::string& session, std::size_t index) {
  return fmt::format("{}.file-{}", session, index);
}

std::int64_t ticks(Monotonic time) {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

struct Name {
  UserId user = 0;
  Monotonic kept_at;
};

std::optional<Name> parse(const std::string& name) {
  std::istringstream parts(name);
  std::string word;
  std::int64_t user = 0;
  std::int64_t kept_at = 0;
  char dot = 0;
  std::getline(parts, word, '.');
  if (word != "session" || !(parts >> user >> dot >> kept_at)) return std::nullopt;
  return Name{static_cast<UserId>(user), Monotonic(std::chrono::duration_cast<Monotonic::duration>(
                                             std::chrono::nanoseconds(kept_at)))};
}

Descriptor make_record(const std::string& text) {
  Descriptor file(::memfd_create("locketd-session", MFD_CLOEXEC));
  if (file &&
      ::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    file.reset();
  }
  return file;
}

std::string read_record(int file) {
  struct stat info{};
  ::fstat(file, &info);
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t length = ::pread(file, text.data(), text.size(), 0);
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return text;
}

// See proc_pid_fdinfo(5); 0 if the process has ended.
std::int64_t pid_of(const Descriptor& process) {
  std::ifstream info(fmt::format("/proc/self/fdinfo/{}", process.get()));
  for (std::string word; info >> word;) {
    std::int64_t pid = 0;
    if (word == "Pid:" && info >> pid) return std::max<std::int64_t>(pid, 0);
  }
  return 0;
}

// The lines, with the time since then added to their ages.
std::vector<std::string> lines_in(const std::string& text, std::chrono::nanoseconds since) {
  std::vector<std::string> lines;
  std::istringstream all(text);
  for (std::string line; std::getline(all, line);) {
    auto request = proto::decode_request(line);
    if (!request) continue;
    if (auto* reclaim = std::get_if<proto::Reclaim>(&request->call)) reclaim->age += since;
    line = proto::encode(*request);
    line.pop_back();  // the line feed
    lines.push_back(std::move(line));
  }
  return lines;
}

struct Parts {
  Descriptor record;
  Descriptor process;
  std::map<std::size_t, Descriptor> files;
};

void sort_in(Parts& parts, std::string_view part, Descriptor descriptor) {
  if (part == kRecord) {
    parts.record = std::move(descriptor);
  } else if (part == kProcess) {
    parts.process = std::move(descriptor);
  } else if (const auto dash = part.find('-'); dash != std::string_view::npos) {
    std::size_t index = 0;
    std::from_chars(part.data() + dash + 1, part.data() + part.size(), index);
    if (index < KeptSessions::kMaxLocks) parts.files[index] = std::move(descriptor);
  }
}

}  // namespace

std::string path_in(const KeptSession& session) {
  for (const std::string& line : session.lines) {
    const auto request = proto::decode_request(line);
    if (!request) continue;
    if (const auto* reclaim = std::get_if<proto::Reclaim>(&request->call)) return reclaim->path;
  }
  return {};
}

KeptSessions::Outcome KeptSessions::keep(SessionId session, const Peer& peer,
                                         const std::string& lines, const std::vector<int>& files,
                                         Monotonic now) {
  if (is_behind()) return no_room();
  const Descriptor record = make_record(lines);
  if (!record) return Outcome::no_memory;
  // Comes first: the manager takes no descriptor that it has already, under any name.
  forget(session);
  Kept kept{fmt::format("session.{}.{}.{}", peer.uid, ticks(now), session), files.size()};
  if (!keep_all(kept, record.get(), peer.process.get(), files)) {
    forget(kept.name, kept.files);
    return no_room();
  }
  sessions_[session] = std::move(kept);
  return Outcome::kept;
}

KeptSessions::Outcome KeptSessions::no_room() {
  no_room_ = true;
  return Outcome::no_room_now;
}

bool KeptSessions::catch_up() {
  manager_.catch_up();
  if (manager_.is_behind()) return false;
  const bool had_no_room = std::exchange(no_room_, false);
  if (had_no_room && !announced_) announce();
  return had_no_room;
}

// Any descriptor will do. The old one is forgotten first: otherwise each start would add one.
void KeptSessions::announce() {
  constexpr std::string_view kPredecessor = "predecessor";
  manager_.forget(kPredecessor);
  const Descriptor any(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  announced_ = manager_.keep(kPredecessor, any.get());
  no_room_ |= !announced_;
}

bool KeptSessions::keep_all(const Kept& as, int record, int process,
                            const std::vector<int>& files) {
  bool taken = manager_.keep(name_of(as.name, kRecord), record) &&
               manager_.keep(name_of(as.name, kProcess), process);
  for (std::size_t i = 0; taken && i < files.size(); ++i) {
    taken = manager_.keep(file_name(as.name, i), files[i]);
  }
  return taken;
}

void KeptSessions::adopt(SessionId session, const KeptSession& kept) {
  sessions_[session] = {kept.name, kept.files.size()};
}

void KeptSessions::forget(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  forget(found->second.name, found->second.files);
  sessions_.erase(found);
}

void KeptSessions::forget(const std::string& name, std::size_t files) {
  manager_.forget(name_of(name, kRecord));
  manager_.forget(name_of(name, kProcess));
  for (std::size_t i = 0; i < files; ++i) manager_.forget(file_name(name, i));
}

KeptSessions::Taken KeptSessions::take(std::vector<Inherited::Named> kept, Monotonic now) {
  std::map<std::string, Parts> sessions;
  for (auto& [name, descriptor] : kept) {
    const auto dot = name.rfind('.');
    if (dot == std::string::npos) continue;  // "predecessor", which is no session
    sort_in(sessions[name.substr(0, dot)], std::string_view(name).substr(dot + 1),
            std::move(descriptor));
  }
  Taken taken;
  for (auto& [name, parts] : sessions) {
    const auto known = parse(name);
    const bool is_whole = known && parts.record && parts.process;
    KeptSession& session = (is_whole ? taken.whole : taken.broken).emplace_back();
    session.name = name;
    if (known && parts.record) {
      session.lines = lines_in(read_record(parts.record.get()), now - known->kept_at);
    }
    session.peer = {parts.process ? pid_of(parts.process) : 0, known ? known->user : 0,
                    std::move(parts.process)};
    // An empty descriptor stands for a missing file, so that no claim gets the file of the next.
    const std::size_t count = parts.files.empty() ? 0 : parts.files.rbegin()->first + 1;
    session.files.resize(count);
    for (auto& [index, file] : parts.files) session.files[index] = std::move(file);
    if (!is_whole) forget(name, count);
  }
  return taken;
}

}  // namespace locketd
