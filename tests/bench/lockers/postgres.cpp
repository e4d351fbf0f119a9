// Advisory locks of a session, by prepared statements:
// https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS

#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/bench/locker.hpp"

namespace locket::bench {
namespace {

struct Deleter {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};

class Postgres : public Locker {
 public:
  Postgres(const std::string& server, const std::string& name)
      : number_(std::to_string(std::hash<std::string>()(name) >> 1U)),
        connection_(PQconnectdb(server.c_str())) {
    check(PQstatus(connection_.get()) == CONNECTION_OK);
    prepare("lock", "SELECT pg_advisory_lock($1::bigint)");
    prepare("unlock", "SELECT pg_advisory_unlock($1::bigint)");
  }

  void acquire() override { execute("lock"); }
  void release() override { execute("unlock"); }

 private:
  using Result = std::unique_ptr<PGresult, Deleter>;

  void check(bool good) {
    if (!good) throw std::runtime_error(PQerrorMessage(connection_.get()));
  }
  void prepare(const char* name, const char* statement) {
    const Result result(PQprepare(connection_.get(), name, statement, 1, nullptr));
    check(PQresultStatus(result.get()) == PGRES_COMMAND_OK);
  }
  void execute(const char* name) {
    const char* value = number_.c_str();
    const Result result(PQexecPrepared(connection_.get(), name, 1, &value, nullptr, nullptr, 1));
    check(PQresultStatus(result.get()) == PGRES_TUPLES_OK);
  }

  std::string number_;
  std::unique_ptr<PGconn, Deleter> connection_;
};

}  // namespace

std::unique_ptr<Locker> make_postgres(const std::string& server, const std::string& name) {
  return std::make_unique<Postgres>(server, name);
}

}  // namespace locket::bench
