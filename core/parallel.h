// A small thread pool. Waiting threads sleep: beside another busy process a spinning pool would starve itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace imago {

// Threads that parallel_for may use, the calling one included. At first $IMAGO_THREADS, or else the processors that
// this process may run on, and no more than its control group's share of CPU time is worth.
int thread_count();
// Throws unless count is from 1 to kMaxThreads, and inside any region, serial ones too. Waits for others' to end.
inline constexpr int kMaxThreads = 1024;
void set_thread_count(int count);

// Calls task(context, i) for every i in [0, tasks), on any thread, in any order; returns when all are done.
// Rethrows the first exception. Inside a task it runs serially.
void parallel_run(int64_t tasks, void (*task)(void* context, int64_t i), void* context);

// f(i) for every i in [0, n). Results must not depend on the order: each i owns its own output.
template <typename F>
void parallel_for(int64_t n, F&& f) {
  using Plain = std::remove_reference_t<F>;
  parallel_run(
      n, [](void* context, int64_t i) { (*static_cast<Plain*>(context))(i); },
      const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

// f(begin, end) over [0, n) in consecutive chunks of `grain` (the last one may be shorter). The chunks depend on n and
// grain only, never on the number of threads, so partial results per chunk combine to the same bits everywhere.
template <typename F>
void parallel_chunks(int64_t n, int64_t grain, F&& f) {
  const int64_t chunks = (n + grain - 1) / grain;
  parallel_for(chunks, [&](int64_t i) { f(i * grain, std::min(n, (i + 1) * grain)); });
}

}  // namespace imago
