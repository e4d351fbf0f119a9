#include "client/queries.hpp"

#include <iterator>
#include <utility>

#include "proto/limits.hpp"
#include "proto/text.hpp"

namespace locket::client {
namespace {

using proto::Error;

template <typename Expected>
std::expected<Expected, Error> ask(Connection& connection, const proto::Call& call) {
  auto answer = connection.call(call);
  if (!answer) return std::unexpected(std::move(answer.error()));
  if (auto* expected = std::get_if<Expected>(&*answer)) return std::move(*expected);
  return std::unexpected(Error{proto::Errc::internal_error, "locketd's answer is of another kind"});
}

}  // namespace

std::expected<std::vector<proto::Row>, Error> list(Connection& connection,
                                                   std::optional<proto::FileId> file) {
  std::vector<proto::Row> rows;
  proto::List request{file, {}};
  for (;;) {
    auto page = ask<proto::Page>(connection, request);
    if (!page) return std::unexpected(std::move(page.error()));
    std::ranges::move(page->rows, std::back_inserter(rows));
    if (!page->next) return rows;
    request.after = *page->next;
  }
}

std::expected<proto::StatusReport, Error> status(Connection& connection) {
  return ask<proto::StatusReport>(connection, proto::Status{});
}

std::expected<void, Error> detach(Connection& connection, std::string_view command) {
  const proto::Detach request{proto::shorten(proto::escape(command), proto::kMaxCommandBytes)};
  auto done = ask<proto::Done>(connection, request);
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

}  // namespace locket::client
