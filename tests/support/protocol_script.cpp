#include "tests/support/protocol_script.hpp"

#include <sys/file.h>

#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>

#include "proto/version.hpp"

namespace locket::test {
namespace {

constexpr Id kSettleId = (Id{1} << 53) - 1;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// The numbers in the text, in order.
std::vector<std::uint64_t> numbers_in(const std::string& text) {
  constexpr auto kDigits = "0123456789";
  std::vector<std::uint64_t> numbers;
  for (auto at = text.find_first_of(kDigits); at != std::string::npos;) {
    std::size_t length = 0;
    numbers.push_back(std::stoull(text.substr(at), &length));
    at = text.find_first_of(kDigits, at + length);
  }
  return numbers;
}

// What continues below a line: the rest of it, a descriptor, or repetitions.
void add_detail(Step& step, const std::string& text) {
  if (text.starts_with("fd ")) {
    std::string rest;
    std::istringstream words(text.substr(3));
    words >> step.file;
    std::getline(words, rest);
    if (const auto id = numbers_in(rest); id.size() == 2) step.file_id = {id[0], id[1]};
    step.locked = rest.find("locked") != std::string::npos;
  } else if (text.starts_with("... and the same with the ids ")) {
    const auto ids = numbers_in(text);
    step.repeat_from = ids.at(0);
    step.repeat_to = ids.at(1);
  } else {
    step.text += text;
  }
}

Step step_from(const std::string& line) {
  const auto colon = line.find(": ");
  if (colon == std::string::npos) throw std::runtime_error("not a step: " + line);
  Step step;
  step.who = line.substr(1, colon - 1);
  step.text = line.substr(colon + 2);
  const bool closes = step.text == "closes the connection";
  switch (line.front()) {
    case 'C':
      step.kind = closes ? Step::Kind::client_closes : Step::Kind::client_says;
      break;
    case 'S':
      step.kind = closes ? Step::Kind::daemon_closes : Step::Kind::daemon_says;
      break;
    case 'X':
      step.kind = Step::Kind::outsider;
      break;
    default:
      throw std::runtime_error("nobody's step: " + line);
  }
  return step;
}

// "[...256 rows]" is any array of that length.
Json expected_line(std::string text) {
  const std::string rows = "[...";
  if (const auto begin = text.find(rows); begin != std::string::npos) {
    const auto end = text.find(']', begin);
    const auto count = numbers_in(text.substr(begin, end - begin)).at(0);
    text.replace(begin, end + 1 - begin, Json{{"rows in all", count}}.dump());
  }
  return Json::parse(text);
}

}  // namespace

std::vector<Example> examples_in(const std::string& page) {
  const std::string fence = "```";
  std::vector<Example> examples;
  std::istringstream lines(page);
  bool inside = false;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.starts_with(fence)) {
      inside = !inside && line.starts_with(fence + "protocol");
      if (inside) examples.push_back({number, line.substr((fence + "protocol").size()), {}});
    } else if (inside && line.starts_with(' ')) {
      add_detail(examples.back().steps.back(), line.substr(line.find_first_not_of(' ')));
    } else if (inside) {
      examples.back().steps.push_back(step_from(line));
      examples.back().steps.back().line = number;
    }
  }
  return examples;
}

std::string block_in(const std::string& page, const std::string& language) {
  const std::string fence = "```" + language + "\n";
  const auto begin = page.find(fence);
  if (begin == std::string::npos) return {};
  const auto text = begin + fence.size();
  return page.substr(text, page.find("```", text) - text);
}

ExamplePlayer::ExamplePlayer(std::string socket_path, std::string folder)
    : socket_path_(std::move(socket_path)), folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_ + "/srv");
}

std::vector<std::string> ExamplePlayer::play(const Example& example) {
  greet_ = example.note != " before hello" &&
           example.steps.front().text.find("\"hello\"") == std::string::npos;
  for (const Step& step : example.steps) {
    line_ = step.line;
    try {
      perform(step);
    } catch (const std::exception& error) {
      complain(error.what());
      break;
    }
  }
  for (const auto& [who, session] : sessions_) {
    for (const Json& line : session.unexpected) complain("not in the example: " + line.dump());
  }
  return complaints_;
}

void ExamplePlayer::perform(const Step& step) {
  switch (step.kind) {
    case Step::Kind::client_says:
      say(step);
      break;
    case Step::Kind::daemon_says:
      hear(step);
      break;
    case Step::Kind::client_closes:
      session_of(step.who).client.close();
      break;
    case Step::Kind::daemon_closes:
      if (const auto line = next(session_of(step.who))) complain("still says " + line->dump());
      break;
    case Step::Kind::outsider: {
      const auto space = step.text.find(' ');
      const std::string path = to_real(step.text.substr(space + 1));
      if (step.text.starts_with("locks ")) {
        std::ignore = open_file(path);
        if (!outsiders_.emplace(path, path).first->second.held()) complain("cannot lock " + path);
      } else {
        outsiders_.at(path).unlock();
      }
    }
  }
}

void ExamplePlayer::say(const Step& step) {
  Session& session = session_of(step.who);
  std::string text = to_real(step.text);
  if (Json request = Json::parse(text, nullptr, false); request.is_object()) {
    put_real_values(request);
    text = request.dump();
  }
  std::vector<int> descriptors;
  proto::Descriptor file;
  if (!step.file.empty()) {
    file = open_file(to_real(step.file));
    descriptors = {file.get()};
    if (step.locked && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) complain("cannot lock it");
    if (step.file_id.inode != 0) learn(step.file_id, file.get());
  }
  session.client.send_bytes(text + '\n', descriptors);
  say_again(step, session);
  settle(session);
}

// Which of our files the page's numbers mean.
void ExamplePlayer::learn(const proto::FileId& of_page, int file) {
  const auto ours = proto::identify(file).value();
  compare_same("device", of_page.device, ours.device);
  compare_same("inode", of_page.inode, ours.inode);
}

void ExamplePlayer::say_again(const Step& step, Session& session) {
  for (Id id = step.repeat_from; id != 0 && id <= step.repeat_to; ++id) {
    const proto::Descriptor file = open_file(to_real(step.file));
    Json request = Json::parse(to_real(step.text));
    request["id"] = id;
    session.client.send(request, {file.get()});
    // The example shows only the first answer.
    if (step.text.find("shared") != std::string::npos) session.client.answer(id);
  }
}

// Waits until the daemon has handled all that was sent: what other sessions send comes after it.
void ExamplePlayer::settle(Session& session) {
  session.client.send({{"jsonrpc", "2.0"}, {"id", kSettleId}, {"method", "status"}});
  while (!session.closed) {
    auto line = session.client.next();
    if (!line) {
      session.closed = true;
    } else if (line->contains("id") && line->at("id") == kSettleId) {
      break;
    } else {
      session.unexpected.push_back(std::move(*line));
    }
  }
}

std::optional<Json> ExamplePlayer::next(Session& session) {
  if (!session.unexpected.empty()) {
    Json line = std::move(session.unexpected.front());
    session.unexpected.pop_front();
    return line;
  }
  if (session.closed) return std::nullopt;
  return session.client.next();
}

void ExamplePlayer::hear(const Step& step) {
  const auto actual = next(session_of(step.who));
  if (!actual) return complain("the daemon has closed the connection");
  compare(expected_line(step.text), from_real(*actual), "line");
}

ExamplePlayer::Session& ExamplePlayer::session_of(const std::string& who) {
  const auto found = sessions_.find(who);
  if (found != sessions_.end()) return found->second;
  const auto greeting = greet_ ? RawClient::Greeting::hello : RawClient::Greeting::none;
  return sessions_.emplace(who, Session{RawClient(socket_path_, greeting), {}}).first->second;
}

// ---- The page's values and ours ----

std::string ExamplePlayer::to_real(const std::string& text) const {
  std::string real = text;
  replace_all(real, "/srv/", folder_ + "/srv/");
  return real;
}

Json ExamplePlayer::from_real(const Json& line) const {
  constexpr auto kVersionOfThePage = "0.1.0";
  std::string text = line.dump();
  replace_all(text, folder_ + "/srv/", "/srv/");
  replace_all(text, folder_ + "/srv", "/srv");
  replace_all(text, "locketd " + std::string(proto::kVersion),
              std::string("locketd ") + kVersionOfThePage);
  return Json::parse(text);
}

void ExamplePlayer::put_real_values(Json& value) const {
  for (auto& [name, member] : value.items()) {
    if (member.is_object()) put_real_values(member);
    const auto known = real_.find(name == "parked" ? "token" : name);
    if (known == real_.end()) continue;
    if (const auto ours = known->second.find(member); ours != known->second.end()) {
      member = ours->second;
    }
  }
}

void ExamplePlayer::compare(const Json& expected, const Json& actual, const std::string& name) {
  static const std::set<std::string> kVarying{"pid",    "uid",         "command",         "since",
                                              "age",    "uptime",      "version",         "server",
                                              "socket", "descriptors", "descriptor_limit"};
  static const std::set<std::string> kBound{"token", "ticket", "after_ticket", "device", "inode"};
  if (expected.is_object() && expected.contains("rows in all")) {
    if (actual.size() != expected["rows in all"])
      complain("there are " + std::to_string(actual.size()));
  } else if (kVarying.contains(name)) {
    const bool same_kind =
        expected.is_number() ? actual.is_number() : expected.type() == actual.type();
    if (!same_kind) complain(name + " is " + actual.dump());
  } else if (name == "text" && actual.is_object()) {
    compare(expected.at("limit"), actual.value("limit", Json()), name);  // our paths are longer
  } else if (kBound.contains(name)) {
    compare_same(name, expected, actual);
  } else if (expected.is_object() && actual.is_object()) {
    compare_members(expected, actual);
  } else if (expected.is_array() && actual.is_array() && expected.size() == actual.size()) {
    for (std::size_t i = 0; i < expected.size(); ++i) compare(expected[i], actual[i], name);
  } else if (expected != actual) {
    complain(name + " is " + actual.dump() + ", not " + expected.dump());
  }
}

void ExamplePlayer::compare_members(const Json& expected, const Json& actual) {
  for (const auto& [name, value] : expected.items()) {
    if (actual.contains(name)) {
      compare(value, actual[name], name);
    } else {
      complain("no member " + name + " in " + actual.dump());
    }
  }
  for (const auto& [name, value] : actual.items()) {
    if (!expected.contains(name)) complain("the example has no member " + name);
  }
}

// Must be the same wherever the page has the same, and tokens must be in the page's order.
void ExamplePlayer::compare_same(const std::string& name, const Json& expected,
                                 const Json& actual) {
  auto& known = real_[name];
  const auto [ours, is_new] = known.emplace(expected, actual);
  if (ours->second != actual) complain(name + " is another than before: " + actual.dump());
  if (!is_new || name != "token") return;
  const auto later = std::next(ours);
  if (ours != known.begin() && std::prev(ours)->second >= actual)
    complain("the token is too small");
  if (later != known.end() && later->second <= actual) complain("the token is too large");
}

void ExamplePlayer::complain(const std::string& what) {
  complaints_.push_back("line " + std::to_string(line_) + ": " + what);
}

}  // namespace locket::test
