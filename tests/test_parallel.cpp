#include "core/parallel.h"

#include <time.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "core/check.h"
#include "tests/support.h"

using namespace imago;

namespace {

// Runs with so many threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : before_(thread_count()) { set_thread_count(count); }
  ~Threads() { set_thread_count(before_); }

 private:
  int before_;
};

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// What all threads of this process together have worked so far.
double cpu_ms() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

}  // namespace

TEST_CASE("every index runs exactly once", "[parallel]") {
  for (const int threads : {1, 2, 4}) {
    const Threads scope(threads);
    CHECK(thread_count() == threads);
    for (const int64_t n : {0, 1, 2, 3, 7, 1000}) {
      CAPTURE(threads, n);
      std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
      parallel_for(n, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
      CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& r) { return r == 1; }));
    }
  }
}

TEST_CASE("chunks depend on the size and the grain, not on the threads", "[parallel]") {
  for (const int64_t n : {0, 1, 31, 32, 33, 100})
    for (const int64_t grain : {1, 7, 32, 1000}) {
      std::set<std::pair<int64_t, int64_t>> expected;
      for (int64_t i = 0; i < n; i += grain) expected.insert({i, std::min(n, i + grain)});
      for (const int threads : {1, 2, 4}) {
        const Threads scope(threads);
        std::mutex mutex;
        std::multiset<std::pair<int64_t, int64_t>> chunks;
        parallel_chunks(n, grain, [&](int64_t begin, int64_t end) {
          const std::lock_guard lock(mutex);
          chunks.insert({begin, end});
        });
        CHECK(std::set(chunks.begin(), chunks.end()) == expected);
        CHECK(chunks.size() == expected.size());
      }
    }
}

TEST_CASE("several threads really take part", "[parallel]") {
  const Threads scope(3);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  // Each task waits until three threads have come, so it passes only if three run at the same time.
  parallel_for(3, [&](int64_t) {
    for (int patience = 0; patience < 2000; ++patience) {
      {
        const std::lock_guard lock(mutex);
        seen.insert(std::this_thread::get_id());
        if (seen.size() == 3) return;
      }
      sleep_ms(1);
    }
  });
  CHECK(seen.size() == 3);
}

TEST_CASE("the first exception comes out, and the pool lives on", "[parallel]") {
  for (const int threads : {1, 2, 4}) {
    const Threads scope(threads);
    for (int round = 0; round < 20; ++round) {
      std::atomic<int> after{0};
      CHECK_THROWS_WITH(parallel_for(100,
                                     [&](int64_t i) {
                                       if (i == 13) throw Error("task 13 failed");
                                       ++after;
                                     }),
                        "task 13 failed");
      CHECK(after <= 99);
      std::atomic<int> sum{0};
      parallel_for(10, [&](int64_t i) { sum += static_cast<int>(i); });
      CHECK(sum == 45);
    }
  }
}

TEST_CASE("a region inside a task runs serially on the task's thread", "[parallel]") {
  for (const int threads : {1, 4}) {
    const Threads scope(threads);
    std::atomic<int> runs{0}, strangers{0};
    parallel_for(8, [&](int64_t) {
      const std::thread::id mine = std::this_thread::get_id();
      int64_t last = -1;
      parallel_for(8, [&](int64_t j) {
        strangers += std::this_thread::get_id() != mine || j != last + 1;
        last = j;
        ++runs;
      });
    });
    CHECK(runs == 64);
    CHECK(strangers == 0);
  }
}

TEST_CASE("an inner region works again after an exception in it was caught", "[parallel]") {
  const Threads scope(2);
  std::atomic<int> caught{0};
  parallel_for(4, [&](int64_t) {
    try {
      parallel_for(4, [](int64_t i) { IMAGO_CHECK(i != 2, "inner"); });
    } catch (const Error&) {
      ++caught;
    }
  });
  CHECK(caught == 4);
}

TEST_CASE("a task may ask for the number of threads, but not change it", "[parallel]") {
  const Threads scope(2);
  std::atomic<int> asked{0}, refused{0};
  parallel_for(4, [&](int64_t) {
    asked += thread_count();
    try {
      set_thread_count(3);
    } catch (const Error&) {
      ++refused;
    }
  });
  CHECK(asked == 8);
  CHECK(refused == 4);
  CHECK(thread_count() == 2);
}

TEST_CASE("a region that runs serially does not let the number of threads change either", "[parallel]") {
  const auto refused = [](int64_t tasks) {
    int64_t count = 0;
    for (int round = 0; round < 2; ++round) {
      parallel_for(tasks, [&](int64_t) {
        parallel_for(1, [](int64_t) {});  // the inner one's end is not the outer one's
        try {
          set_thread_count(3);
        } catch (const Error&) {
          ++count;
        }
      });
      CHECK_THROWS_WITH(parallel_for(tasks, [](int64_t) { fail("a task failed"); }), "a task failed");
    }
    return count;
  };
  {
    const Threads scope(1);
    CHECK(refused(4) == 8);
    CHECK(thread_count() == 1);
  }
  const Threads scope(2);  // not refused: the regions have ended, be it with an exception
  CHECK(refused(1) == 2);
  CHECK(thread_count() == 2);
}

TEST_CASE("short and slow regions follow each other without a hang or a mix-up", "[parallel]") {
  const Threads scope(4);
  for (int round = 0; round < 300; ++round) {  // workers of one region may still be waking up when the next one begins
    std::atomic<int> quick{0}, slow{0};
    parallel_for(5, [&](int64_t) { ++quick; });
    parallel_for(3, [&](int64_t i) {
      if (round % 50 == 0 && i == 1) sleep_ms(5);
      ++slow;
    });
    REQUIRE(quick == 5);
    REQUIRE(slow == 3);
  }
}

TEST_CASE("two threads may open regions at the same time", "[parallel]") {
  const Threads scope(3);
  std::atomic<int64_t> sums[2] = {0, 0};
  const auto caller = [&](int which) {
    for (int round = 0; round < 200; ++round) parallel_for(10, [&, which](int64_t i) { sums[which] += i; });
  };
  std::thread other(caller, 0);
  caller(1);
  other.join();
  CHECK(sums[0] == 200 * 45);
  CHECK(sums[1] == 200 * 45);
}

TEST_CASE("the number of threads may change between regions", "[parallel]") {
  const Threads scope(1);
  for (const int threads : {1, 3, 2, 2, 5, 1}) {
    set_thread_count(threads);
    std::atomic<int> runs{0};
    parallel_for(17, [&](int64_t) { ++runs; });
    CHECK(runs == 17);
  }
}

TEST_CASE("set_thread_count names the limits", "[parallel][errors]") {
  CHECK_THROWS_WITH(set_thread_count(0), "set_thread_count: count must be from 1 to 1024, got 0");
  CHECK_THROWS_WITH(set_thread_count(1025), "set_thread_count: count must be from 1 to 1024, got 1025");
}

TEST_CASE("threads sleep when there is nothing to do", "[parallel]") {
  const Threads scope(4);
  std::atomic<int> runs{0};
  parallel_for(1000, [&](int64_t) { ++runs; });
  const double before = cpu_ms();
  sleep_ms(200);
  CHECK(cpu_ms() - before < 40);
  CHECK(runs == 1000);
}

TEST_CASE("threads sleep while they wait for the last one", "[parallel]") {
  const Threads scope(4);
  const double before = cpu_ms();
  parallel_for(8, [&](int64_t i) { sleep_ms(i == 7 ? 200 : 1); });
  CHECK(cpu_ms() - before < 40);
}
