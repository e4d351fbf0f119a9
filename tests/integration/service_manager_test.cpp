// A service manager that is busy: what it reads late still takes effect (C9).

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

// The manager's side of sd_notify(3), with a descriptor store of which only the names matter.
class Manager {
 public:
  explicit Manager(const std::string& path)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
  }

  void read() {
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t length = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (length < 0) return;
      take({buffer.data(), static_cast<std::size_t>(length)});
    }
  }

  [[nodiscard]] bool is_ready() const { return ready_; }
  [[nodiscard]] const std::set<std::string>& store() const { return store_; }

 private:
  void take(const std::string& message) {
    constexpr std::string_view kName = "FDNAME=";
    const auto begin = message.find(kName);
    const std::string name = begin == std::string::npos ? "" : message.substr(begin + kName.size());
    if (message.starts_with("FDSTORE=1")) store_.insert(name);
    if (message.starts_with("FDSTOREREMOVE=1")) store_.erase(name);
    ready_ |= message.starts_with("READY=1");
  }

  proto::Descriptor socket_;
  std::set<std::string> store_;
  bool ready_ = false;
};

TEST(ServiceManager, A_manager_that_does_not_read_for_a_while_has_all_in_its_store_afterwards_C9) {
  constexpr std::size_t kLocks = 60;
  // A record, a pidfd and the files. One more entry is the predecessor for the next daemon.
  const auto parts = [](std::size_t locks) { return 2 + locks; };
  TemporaryFolder folder;
  const std::string socket = folder / "locketd.sock";
  Manager manager(folder / "notify.sock");
  Command command = Daemon::command(socket);
  command.environment["NOTIFY_SOCKET"] = folder / "notify.sock";
  Child daemon(command);
  const auto stores = [&](std::size_t number) {
    return eventually([&] { return manager.read(), manager.store().size() == number; });
  };
  ASSERT_TRUE(eventually([&] { return manager.read(), manager.is_ready(); })) << daemon.errors();

  auto other = std::make_unique<Bystander>(::geteuid(), [&] {
    static RawClient client(socket);
    client.lock(folder.file("other"));
    client.call("detach");
  });
  ASSERT_TRUE(stores(1 + parts(1)));
  const auto before = manager.store();

  RawClient client(socket);
  for (std::size_t i = 0; i < kLocks; ++i) client.lock(folder.file(std::to_string(i)));
  // Each call has everything stored anew: far more than a socket has room for.
  for (int i = 0; i < 20; ++i) client.call("detach");
  other.reset();
  EXPECT_TRUE(eventually([&] { return client.call("status")["sessions"] == 1; }));
  client.lock(folder.file("late"));

  EXPECT_TRUE(stores(1 + parts(kLocks + 1))) << manager.store().size();
  for (const std::string& name : before) {
    EXPECT_EQ(manager.store().contains(name), name == "locketd-predecessor") << name;
  }
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.finish().status, 0) << daemon.errors();
}

}  // namespace
}  // namespace locket::test
