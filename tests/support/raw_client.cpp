#include "tests/support/raw_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace locket::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// False at the deadline.
bool wait_for(int socket, short event, Clock::time_point deadline) {
  using std::chrono::milliseconds;
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
  pollfd source{socket, event, 0};
  return ::poll(&source, 1, static_cast<int>(std::max(left, milliseconds(0)).count())) > 0;
}

proto::Descriptor connect_to(const std::string& path) {
  proto::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect to " + path);
  }
  ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  return socket;
}

Json request_of(std::string_view method, Json params) {
  return {{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}};
}

}  // namespace

RawClient::RawClient(const std::string& socket_path, Greeting greeting)
    : socket_(connect_to(socket_path)) {
  if (greeting == Greeting::hello) call("hello", {{"protocol", 1}});
}

bool RawClient::send_bytes(std::string_view bytes, const std::vector<int>& descriptors) {
  std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
  bool passed = descriptors.empty();
  for (const auto deadline = Clock::now() + kPatience; !bytes.empty();) {
    iovec data{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (!passed) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
    }
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      passed = true;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return false;
    } else if ((errno != EAGAIN && errno != ETOOMANYREFS) || Clock::now() >= deadline) {
      fail("cannot send");
    } else if (!wait_for(socket_.get(), POLLOUT, deadline)) {
      throw std::runtime_error("locketd does not read");
    }
  }
  return true;
}

bool RawClient::send(const Json& message, const std::vector<int>& descriptors) {
  return send_bytes(message.dump() + '\n', descriptors);
}

// False at the end of the connection; throws at the deadline.
bool RawClient::receive(Clock::time_point deadline) {
  if (!wait_for(socket_.get(), POLLIN, deadline)) throw std::runtime_error("locketd says nothing");
  std::array<char, 65536> buffer;
  const ssize_t length = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (length <= 0) return false;
  unread_.append(buffer.data(), static_cast<std::size_t>(length));
  return true;
}

std::optional<Json> RawClient::next() {
  if (!answers_.empty()) {
    Json first = std::move(answers_.front());
    answers_.pop_front();
    return first;
  }
  std::size_t searched = 0;
  for (const auto deadline = Clock::now() + kPatience;;) {
    if (const auto end = unread_.find('\n', searched); end != std::string::npos) {
      Json line = Json::parse(unread_.substr(0, end));
      unread_.erase(0, end + 1);
      return line;
    }
    searched = unread_.size();
    if (!receive(deadline)) return std::nullopt;
  }
}

bool RawClient::is_ended_by_daemon() {
  try {
    while (receive(Clock::now() + kPatience)) unread_.clear();
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

Id RawClient::start(std::string_view method, Json params, const std::vector<int>& descriptors) {
  Json request = request_of(method, std::move(params));
  request["id"] = ++last_id_;
  if (!send(request, descriptors)) throw std::runtime_error("locketd has closed the connection");
  return last_id_;
}

void RawClient::notify(std::string_view method, Json params) {
  send(request_of(method, std::move(params)));
}

Json RawClient::answer(Id id) {
  const auto kept =
      std::ranges::find(answers_, Json(id), [](const Json& line) { return line["id"]; });
  if (kept != answers_.end()) {
    Json found = std::move(*kept);
    answers_.erase(kept);
    return found;
  }
  for (auto others = std::exchange(answers_, {});;) {
    auto line = next();
    if (!line) throw std::runtime_error("locketd has closed the connection");
    if (line->value("id", Json()) != id) {
      others.push_back(std::move(*line));
      continue;
    }
    answers_ = std::move(others);
    return std::move(*line);
  }
}

Json RawClient::result(Id id) {
  Json line = answer(id);
  if (!line.contains("result")) throw std::runtime_error("not a result: " + line.dump());
  return line["result"];
}

Json RawClient::error(Id id) {
  Json line = answer(id);
  if (!line.contains("error")) throw std::runtime_error("not an error: " + line.dump());
  return line["error"];
}

bool RawClient::waits(Id id) {
  answer(start("status"));
  return std::ranges::find(answers_, Json(id), [](const Json& line) { return line["id"]; }) ==
         answers_.end();
}

Id RawClient::acquire(const std::string& path, Json params) {
  const proto::Descriptor file = open_file(path);
  params["path"] = path;
  return start("acquire", std::move(params), {file.get()});
}

bool RawClient::try_lock(const std::string& path, Json params) {
  params["timeout"] = 0;
  const Json line = answer(acquire(path, std::move(params)));
  if (line.contains("error") && line["error"]["data"]["name"] != "timed_out") {
    throw std::runtime_error("neither had nor refused: " + line.dump());
  }
  return line.contains("result");
}

std::vector<Json> RawClient::list(Json params) {
  std::vector<Json> rows;
  for (;;) {
    const Json page = call("list", params);
    rows.insert(rows.end(), page.at("rows").begin(), page.at("rows").end());
    if (!page.contains("next")) return rows;
    params.update(page.at("next"));
  }
}

proto::Descriptor open_file(const std::string& path) {
  proto::Descriptor file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0666));
  if (!file) fail("cannot open " + path);
  return file;
}

}  // namespace locket::test
