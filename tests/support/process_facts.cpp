#include "tests/support/process_facts.hpp"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace locket::test {
namespace {

std::string folder_of(pid_t process) {
  return "/proc/" + std::to_string(process);
}

// The number after `name` in a file formatted like proc_pid_status(5).
long status_number(const std::string& path, const std::string& name) {
  std::ifstream status(path);
  for (std::string word; status >> word;) {
    long number = 0;
    if (word == name && status >> number) return number;
  }
  return 0;
}

}  // namespace

std::vector<std::string> open_descriptors(pid_t process) {
  std::vector<std::string> descriptors;
  std::error_code error;  // a descriptor may be closed while we look
  std::filesystem::directory_iterator folder(folder_of(process) + "/fd", error);
  for (const auto end = std::filesystem::directory_iterator(); !error && folder != end;
       folder.increment(error)) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(folder->path(), gone);
    if (!gone) descriptors.push_back(target);
  }
  return descriptors;
}

std::set<pid_t> threads_of(pid_t process) {
  std::set<pid_t> threads;
  std::error_code error;
  std::filesystem::directory_iterator folder(folder_of(process) + "/task", error);
  for (const auto end = std::filesystem::directory_iterator(); !error && folder != end;
       folder.increment(error)) {
    threads.insert(std::stoi(folder->path().filename()));
  }
  return threads;
}

long sleeps_of(pid_t process, pid_t thread) {
  return status_number(folder_of(process) + "/task/" + std::to_string(thread) + "/status",
                       "voluntary_ctxt_switches:");
}

std::size_t resident_bytes(pid_t process) {
  constexpr std::size_t kKilobyte = 1024;
  return static_cast<std::size_t>(status_number(folder_of(process) + "/status", "VmRSS:")) *
         kKilobyte;
}

char state_of(pid_t process) {
  std::ifstream file(folder_of(process) + "/stat");
  std::string line;
  std::getline(file, line);
  // The name before it may contain spaces and parentheses.
  const auto end_of_name = line.rfind(") ");
  return end_of_name == std::string::npos ? '\0' : line[end_of_name + 2];
}

}  // namespace locket::test
