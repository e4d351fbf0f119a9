#include <fmt/core.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "client/ctl/command.hpp"
#include "client/ctl/lock_table.hpp"
#include "client/external_holder.hpp"
#include "client/process.hpp"
#include "client/queries.hpp"
#include "proto/environment.hpp"
#include "proto/lock_file.hpp"
#include "proto/text.hpp"

namespace locketctl {
namespace {

namespace client = locket::client;
namespace proto = locket::proto;

struct ListOptions {
  std::vector<std::string> paths;
  bool json = false;
  bool no_legend = false;
};

using Locks = std::vector<ListedLock>;

std::expected<Locks, proto::Error> all_locks() {
  auto rows = client::list(client::process().connection, std::nullopt);
  if (!rows) return std::unexpected(rows.error());
  return group_by_lock(std::move(*rows));
}

// One lock or none. A lock that the daemon does not know may have an external holder.
std::expected<Locks, proto::Error> lock_of(const std::string& path) {
  const auto file = proto::identify(path);
  if (!file) {
    return std::unexpected(proto::Error{
        file.error().code, fmt::format("{}: {}", proto::escape(path), file.error().message)});
  }
  auto& connection = client::process().connection;
  auto rows = client::list(connection, *file);
  if (!rows) return std::unexpected(rows.error());
  if (!rows->empty()) return group_by_lock(std::move(*rows));
  auto holder = client::find_external_holder(*file, connection.daemon_pid());
  if (!holder) return Locks{};
  ListedLock lock;
  lock.path = proto::escape(proto::absolute(path).value_or(path));
  lock.file = *file;
  lock.external = true;
  lock.external_holder = std::move(holder);
  return Locks{std::move(lock)};
}

void print(Locks locks, const ListOptions& options) {
  const auto daemon_pid = client::process().connection.daemon_pid();
  for (ListedLock& lock : locks) {
    if (lock.external && !lock.external_holder) {
      lock.external_holder = client::find_external_holder(lock.file, daemon_pid);
    }
  }
  const TableStyle style{.legend = !options.no_legend,
                         .colour = proto::wants_colour(STDOUT_FILENO)};
  const std::string text = options.json ? as_json(locks) : as_table(locks, style);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

int show_list(const ListOptions& options) {
  Locks locks;
  int status = EX_OK;
  const auto take = [&](std::expected<Locks, proto::Error> found) {
    if (!found) {
      status = fail(found.error());
    } else {
      std::ranges::move(*found, std::back_inserter(locks));
    }
    return status != EX_UNAVAILABLE;
  };
  if (options.paths.empty()) {
    if (!take(all_locks())) return status;
  }
  for (const std::string& path : options.paths) {
    if (!take(lock_of(path))) return status;
  }
  print(std::move(locks), options);
  return status;
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* command = app.add_subcommand("list", "Show who holds and who waits for which lock");
  command->add_option("PATH", options->paths,
                      "Only these files, including locks held without locketd");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->add_flag("--no-legend", options->no_legend, "Print no column headings");
  command->footer(
      "Waiters follow their holder, in the order in which they will be served. \"external\" is a\n"
      "process that locked the file without locketd, as flock(1) does; it can be named only if\n"
      "you may look into that process.\n"
      "Exit status: 0; 66 if a PATH is not a file; 69 if no daemon answers.");
  command->callback(
      [options, &action] { action = [options](const Words&) { return show_list(*options); }; });
}

}  // namespace locketctl
