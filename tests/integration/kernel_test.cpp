// The daemon's locks are the same as everyone else's, and whoever does not get one learns who holds
// it: C6, C13.

#include <unistd.h>

#include <chrono>

#include "tests/integration/lock_test.hpp"

namespace locket::test {
namespace {

// Programs that know nothing of the daemon. Each takes PATH and SECONDS, prints "held" and holds
// the lock until the end of its input, or prints "refused".
struct Outsider {
  const char* name;
  Command command;
};

// Debian's Python has the modules, but may not be the first one in PATH.
Command python(const std::string& module, const std::string& body) {
  for (const char* interpreter : {"/usr/bin/python3", "python3"}) {
    if (run({{interpreter, "-c", "import " + module}}).status == 0) {
      return {{interpreter, "-c", "import sys, " + module + "\n" + body}};
    }
  }
  return {};
}

Outsider flock_program() {
  return {"flock(1)",
          {{"sh", "-c",
            R"(flock --no-fork -w "$2" "$1" sh -c 'echo held; exec cat' || echo refused)", "sh"}}};
}

Outsider python_locket() {
  return {"python3 locket",
          python("locket",
                 "lock = locket.lock_file(sys.argv[1], timeout=float(sys.argv[2]))\n"
                 "try: lock.acquire()\n"
                 "except locket.LockError: print('refused')\n"
                 "else:\n"
                 "  print('held', flush=True)\n"
                 "  sys.stdin.read()\n"
                 "  lock.release()\n")};
}

Outsider python_filelock() {
  return {"python3 filelock",
          python("filelock",
                 "lock = filelock.FileLock(sys.argv[1], timeout=float(sys.argv[2]))\n"
                 "try: lock.acquire()\n"
                 "except filelock.Timeout: print('refused')\n"
                 "else:\n"
                 "  print('held', flush=True)\n"
                 "  sys.stdin.read()\n"
                 "  lock.release()\n")};
}

class Kernel : public LockTest {
 protected:
  Command of(const Outsider& outsider, double seconds) const {
    Command command = outsider.command;
    command.words.push_back(path);
    command.words.push_back(std::to_string(seconds));
    return command;
  }

  void expect_to_exclude_each_other(const Outsider& outsider) {
    if (outsider.command.words.empty()) GTEST_SKIP() << "there is no " << outsider.name;
    const Token held = ann.lock(path);
    EXPECT_EQ(run(of(outsider, 0.1)).output, "refused\n");

    Child waiter(of(outsider, 60));
    ann.release(held);
    EXPECT_EQ(waiter.line(), "held");
    EXPECT_FALSE(ann.try_lock(path));
    const Id waiting = bob.acquire(path);
    EXPECT_TRUE(bob.waits(waiting));
    waiter.finish();
    bob.granted(waiting);
  }
};

// ---- Both ways (C6) ----

TEST_F(Kernel, Flock_and_we_exclude_each_other_C6) {
  expect_to_exclude_each_other(flock_program());
}

TEST_F(Kernel, Locket_py_and_we_exclude_each_other_C6) {
  expect_to_exclude_each_other(python_locket());
}

TEST_F(Kernel, Filelock_and_we_exclude_each_other_C6) {
  expect_to_exclude_each_other(python_filelock());
}

TEST_F(Kernel, A_shared_lock_is_one_to_the_kernel_too_C6) {
  const Token first = ann.lock(path, {{"mode", "shared"}});
  const Token second = bob.lock(path, {{"mode", "shared"}});
  EXPECT_TRUE(kernel_admits(path, LOCK_SH));
  EXPECT_FALSE(kernel_admits(path, LOCK_EX));
  ann.release(first);
  EXPECT_FALSE(kernel_admits(path, LOCK_EX));
  bob.release(second);
  EXPECT_TRUE(kernel_admits(path, LOCK_EX));
}

TEST_F(Kernel, A_shared_outsider_goes_with_shared_locks_C6) {
  const KernelLock outsider(path, LOCK_SH);
  EXPECT_TRUE(ann.try_lock(path, {{"mode", "shared"}}));
  EXPECT_FALSE(bob.try_lock(path));
}

TEST_F(Kernel, The_lock_is_free_when_its_holder_is_gone_C6_C8) {
  {
    Child holder(program());
    EXPECT_TRUE(says(holder.ask("lock " + path), "held"));
    EXPECT_FALSE(kernel_admits(path));
  }
  EXPECT_TRUE(eventually([&] { return kernel_admits(path); }));
}

// ---- Who has it (C13) ----

TEST_F(Kernel, A_refusal_says_who_holds_the_lock_C13) {
  Child holder(program());
  holder.ask("reason " + path + " nightly backup");
  const std::string answer = holder.ask("share " + path);
  ASSERT_TRUE(says(answer, "held"));
  bob.acquire(path);

  const Json error = ann.error(ann.acquire(path, {{"timeout", 0}}));
  EXPECT_EQ(error["message"], path + " is locked");
  const Json& data = error["data"];
  EXPECT_EQ(data["name"], "timed_out");
  EXPECT_EQ(data["path"], path);
  EXPECT_EQ(data["waiters"], 1);
  EXPECT_EQ(data["external"], false);
  EXPECT_EQ(data["holder_count"], 1);
  ASSERT_EQ(data["holders"].size(), 1U);
  const Json& row = data["holders"][0];
  EXPECT_EQ(row["pid"], holder.pid());
  EXPECT_EQ(row["uid"], ::geteuid());
  EXPECT_EQ(row["command"], "lock_program");
  EXPECT_EQ(row["path"], path);
  EXPECT_EQ(row["reason"], "nightly backup");
  EXPECT_EQ(row["mode"], "shared");
  EXPECT_EQ("held " + row["token"].dump(), answer);
  EXPECT_GE(row["age"], 0.0);
  EXPECT_LT(row["age"], 60.0);
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  EXPECT_NEAR(row["since"].get<double>(), now.count(), 60);
}

TEST_F(Kernel, A_refusal_describes_the_first_eight_of_many_holders_C13) {
  for (int i = 0; i < 10; ++i) bob.lock(path, {{"mode", "shared"}});
  const Json data = ann.error(ann.acquire(path, {{"timeout", 0}}))["data"];
  EXPECT_EQ(data["holders"].size(), 8U);
  EXPECT_EQ(data["holder_count"], 10);
}

// Many such refusals may have to wait for a client that does not read them.
TEST_F(Kernel, A_refusal_does_not_grow_with_the_holders_texts_C15) {
  for (int i = 0; i < 2; ++i) {
    const proto::Descriptor file = open_file(path);
    ann.granted(ann.start("acquire", {{"path", std::string(5'000, '/')}, {"mode", "shared"}},
                          {file.get()}));
  }
  const Json data = bob.error(bob.acquire(path, {{"timeout", 0}}))["data"];
  EXPECT_EQ(data["holders"].size(), 1U);
  EXPECT_EQ(data["holder_count"], 2);
}

TEST_F(Kernel, The_library_tells_people_who_holds_the_lock_C13) {
  Child holder(program());
  holder.ask("reason " + path + " nightly backup");
  ASSERT_TRUE(says(holder.ask("lock " + path), "held"));
  Child other(program());
  std::string answer;
  // On a machine so busy that the daemon's answer misses the grace period, it does not name the
  // holder.
  ASSERT_TRUE(eventually([&] {
    answer = other.ask("lock " + path + " 0.1");
    return answer.find("does not answer") == std::string::npos;
  }));
  EXPECT_TRUE(says(answer, "timed_out"));
  for (const std::string& fact :
       {path, "pid " + std::to_string(holder.pid()), std::string("lock_program"),
        std::string("nightly backup"), std::string("timed out after 0.1 s")}) {
    EXPECT_NE(answer.find(fact), std::string::npos) << fact << " is not in: " << answer;
  }
}

TEST_F(Kernel, The_library_tells_people_which_outsider_holds_the_lock_C13) {
  Child outsider({{"flock", path, "sh", "-c", "echo held; exec cat"}});
  ASSERT_EQ(outsider.line(), "held");
  EXPECT_EQ(ann.error(ann.acquire(path, {{"timeout", 0}}))["data"]["external"], true);
  Child other(program());
  const std::string answer = other.ask("lock " + path + " 0");
  EXPECT_TRUE(says(answer, "timed_out"));
  EXPECT_NE(answer.find("pid " + std::to_string(outsider.pid())), std::string::npos) << answer;
  EXPECT_NE(answer.find("flock"), std::string::npos) << answer;
}

// ---- One open file description has one lock in the kernel ----

TEST_F(Kernel, A_lock_is_not_shared_with_its_own_open_file_description_and_stays_C6) {
  const proto::Descriptor file = open_file(path);
  const proto::Descriptor own = open_file(path);
  const Json shared{{"path", path}, {"mode", "shared"}};
  const Token first = ann.granted(ann.start("acquire", shared, {file.get()}));
  const proto::Descriptor copy(::dup(file.get()));
  for (RawClient* client : {&ann, &bob}) {
    const Json error = client->error(client->start("acquire", shared, {copy.get()}));
    EXPECT_EQ(name_of(error), "bad_file");
    EXPECT_NE(error["message"].get<std::string>().find("open the file once more"),
              std::string::npos);
  }
  bob.granted(bob.start("acquire", shared, {own.get()}));
  bob.close();
  ASSERT_TRUE(eventually([&] { return cal.list().size() == 1; }));
  EXPECT_FALSE(kernel_admits(path));
  ann.release(first);
  EXPECT_TRUE(kernel_admits(path));
}

TEST_F(Kernel, Waiters_with_one_open_file_description_have_its_lock_one_after_the_other_C6) {
  const proto::Descriptor file = open_file(path);
  const Json params{{"path", path}};
  const Token first = ann.granted(ann.start("acquire", params, {file.get()}));
  const Id second = bob.start("acquire", params, {file.get()});
  const Id third = cal.start("acquire", params, {file.get()});
  ASSERT_TRUE(bob.waits(second));
  ASSERT_TRUE(cal.waits(third));
  bob.close();  // its end must take nothing from the holder
  ASSERT_TRUE(eventually_waiting(1));
  EXPECT_FALSE(kernel_admits(path));
  ann.release(first);
  const Token last = cal.granted(third);
  EXPECT_FALSE(kernel_admits(path));
  cal.release(last);
  EXPECT_TRUE(kernel_admits(path));
}

}  // namespace
}  // namespace locket::test
