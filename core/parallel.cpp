#include "core/parallel.h"

#include <sched.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.h"

namespace imago {
namespace {

thread_local bool inside_task = false;

// This thread runs tasks while it lives.
class InsideTask {
 public:
  InsideTask() : before_(std::exchange(inside_task, true)) {}
  ~InsideTask() { inside_task = before_; }
  InsideTask(const InsideTask&) = delete;
  InsideTask& operator=(const InsideTask&) = delete;

 private:
  const bool before_;
};

// One call of parallel_run. It lives on the caller's stack; workers join and leave it under the
// pool's mutex.
struct Job {
  Job(int64_t tasks, void (*task)(void*, int64_t), void* context)
      : tasks(tasks), task(task), context(context) {}

  const int64_t tasks;
  void (*const task)(void*, int64_t);
  void* const context;
  std::atomic<int64_t> next{0};
  int workers = 0;  // workers inside, guarded by the pool's mutex
  std::exception_ptr error;
  std::mutex error_mutex;

  void work() {
    const InsideTask scope;
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) {
      try {
        task(context, i);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
        next.store(tasks, std::memory_order_relaxed);
      }
    }
  }
};

class Pool {
 public:
  explicit Pool(int threads) {
    try {
      for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
    } catch (const std::system_error& e) {
      stop();
      fail("parallel_run: cannot start ", threads, " threads: ", e.what());
    }
  }
  ~Pool() { stop(); }
  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void run(Job& job) {
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
    }
    const int64_t helpers = std::min<int64_t>(job.tasks - 1, static_cast<int64_t>(workers_.size()));
    for (int64_t i = 0; i < helpers; ++i) wake_.notify_one();
    job.work();
    // Whoever has not woken up by now is not needed any more; only workers that are inside are
    // waited for.
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    left_.wait(lock, [&] { return job.workers == 0; });
  }

 private:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& t : workers_) t.join();
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] {
        return stop_ || (job_ && job_->next.load(std::memory_order_relaxed) < job_->tasks);
      });
      if (stop_) return;
      Job& job = *job_;
      ++job.workers;
      lock.unlock();
      job.work();
      lock.lock();
      if (--job.workers == 0) left_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  Job* job_ = nullptr;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

// What the quota of this process's control group (version 2) is worth in processors.
int quota_threads() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");  // "max 100000", or both in microseconds
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return kMaxThreads;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, double{kMaxThreads}));
}

int default_threads() {
  if (const char* text = std::getenv("IMAGO_THREADS")) {
    const int n = std::atoi(text);
    IMAGO_CHECK(n >= 1 && n <= kMaxThreads, "IMAGO_THREADS: must be a number from 1 to ",
                kMaxThreads, ", got '", text, "'");
    return n;
  }
  cpu_set_t set;
  const int n = sched_getaffinity(0, sizeof set, &set) == 0
                    ? CPU_COUNT(&set)
                    : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(n, 1, quota_threads());
}

// Read without the pool's mutex, so that a task may ask.
std::atomic<int>& wanted_threads() {
  static std::atomic<int> count = default_threads();
  return count;
}

// One parallel region at a time; a second caller's thread runs its region alone.
std::mutex pool_mutex;
Pool& pool() {
  static std::unique_ptr<Pool> p;
  if (!p || p->threads() != thread_count()) {
    p.reset();
    p = std::make_unique<Pool>(thread_count());
  }
  return *p;
}

}  // namespace

int thread_count() { return wanted_threads().load(std::memory_order_relaxed); }

void set_thread_count(int count) {
  IMAGO_CHECK(count >= 1 && count <= kMaxThreads, "set_thread_count: count must be from 1 to ",
              kMaxThreads, ", got ", count);
  IMAGO_CHECK(!inside_task, "set_thread_count: must not be called inside a parallel region");
  const std::lock_guard lock(pool_mutex);
  wanted_threads() = count;  // the next region finds a pool of this size
}

void parallel_run(int64_t tasks, void (*task)(void*, int64_t), void* context) {
  if (tasks <= 0) return;
  std::unique_lock lock(pool_mutex, std::defer_lock);
  if (tasks == 1 || inside_task || thread_count() == 1 || !lock.try_lock()) {
    const InsideTask scope;
    for (int64_t i = 0; i < tasks; ++i) task(context, i);
    return;
  }
  Job job(tasks, task, context);
  pool().run(job);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace imago
