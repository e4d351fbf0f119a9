// No user takes all of what the service manager keeps for the next daemon (C9, C15).

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temporary_folder.hpp"

namespace locket::test {
namespace {

// The manager's side of sd_notify(3): which user's records it was asked to keep, read as they come.
class Store {
 public:
  explicit Store(const std::string& path)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    const timeval patience{.tv_sec = 0, .tv_usec = 100'000};  // to check whether it should stop
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    reader_ = std::jthread([this](const std::stop_token& stop) { read(stop); });
  }
  ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  std::size_t records_of(uid_t user) {
    const std::scoped_lock lock(mutex_);
    const std::string begin = "locketd-session." + std::to_string(user) + '.';
    return static_cast<std::size_t>(std::ranges::count_if(
        records_, [&](const std::string& name) { return name.starts_with(begin); }));
  }

 private:
  void read(const std::stop_token& stop) {
    std::array<char, 4096> buffer{};
    while (!stop.stop_requested()) {
      const ssize_t length = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (length > 0) take({buffer.data(), static_cast<std::size_t>(length)});
    }
  }

  void take(std::string_view message) {
    constexpr std::string_view kName = "FDNAME=";
    const auto begin = message.find(kName);
    if (begin == std::string_view::npos || !message.ends_with(".record")) return;
    const std::string name(message.substr(begin + kName.size()));
    const std::scoped_lock lock(mutex_);
    if (message.starts_with("FDSTORE=1")) records_.insert(name);
    if (message.starts_with("FDSTOREREMOVE=1")) records_.erase(name);
  }

  proto::Descriptor socket_;
  std::mutex mutex_;
  std::set<std::string> records_;
  std::jthread reader_;
};

TEST(KeptShares, One_user_does_not_fill_what_is_kept_for_all_C15) {
  constexpr std::size_t kMost = 768 / 3;  // daemon/dispatch.hpp; a record, a pidfd and a file
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be two users";
  const TemporaryFolder folder;
  const std::string socket = folder / "locketd.sock";
  Store store(folder / "notify.sock");
  Command command = Daemon::command(socket);
  command.environment["NOTIFY_SOCKET"] = folder / "notify.sock";
  Child daemon(command);
  ASSERT_TRUE(eventually([&] { return answers(socket); }));
  std::filesystem::permissions(folder.path(), std::filesystem::perms{0777});

  std::vector<std::unique_ptr<RawClient>> sessions;
  const auto run = [&](std::size_t number) {
    for (std::size_t i = 0; i < number; ++i) {
      const auto name = folder / (std::to_string(::geteuid()) + '.' + std::to_string(i));
      sessions.push_back(std::make_unique<RawClient>(socket));
      sessions.back()->lock(name);
      sessions.back()->call("detach");
    }
  };
  const auto refusals = [&] {
    const std::string log = daemon.errors();
    std::size_t number = 0;
    for (std::size_t at = 0; (at = log.find("kept session dropped: ", at)) != std::string::npos;
         ++at) {
      ++number;
    }
    return number;
  };
  auto greedy = std::make_unique<Bystander>(kNobody, [&] { run(kMost + 1); });
  run(2);
  RawClient watcher(socket);
  EXPECT_TRUE(eventually([&] { return store.records_of(0) == 2; }));
  EXPECT_EQ(store.records_of(kNobody), kMost);
  EXPECT_EQ(refusals(), 1U) << daemon.errors();
  // A session that ends makes room.
  greedy.reset();
  EXPECT_TRUE(eventually([&] { return watcher.call("status")["sessions"] == 3; }));
  const Bystander modest(kNobody, [&] { run(3); });
  watcher.call("status");
  EXPECT_EQ(refusals(), 1U) << daemon.errors();
}

}  // namespace
}  // namespace locket::test
