// Where traces come from: a step that runs, or one that only goes through the motions.
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/memory_plan.h"
#include "core/op_label.h"
#include "core/recording.h"

namespace imago {
namespace {

// Addresses that no memory has: pointers of today's machines end at 2^57.
uintptr_t next_fake_address(size_t bytes) {
  static std::atomic<uintptr_t> next{uintptr_t{1} << 62};
  return next.fetch_add((bytes + 255) / 256 * 256);
}

// Notes what happens until finish(); the memory comes from the cache, or does not exist.
class TracedMemory : public MemorySource {
 public:
  TracedMemory(Device device, bool exists) : exists_(exists) { trace_.device = device; }

  void* allocate(size_t bytes) override {
    void* memory = nullptr;
    if (exists_) {
      const MemorySourceScope cache(trace_.device, nullptr);
      memory = imago::allocate(bytes, trace_.device);
    } else {
      memory = reinterpret_cast<void*>(next_fake_address(bytes));  // NOLINT(performance-no-int-to-ptr): never followed
    }
    const std::lock_guard lock(mutex_);
    alive_[memory] = trace_.blocks.size();
    trace_.blocks.push_back({.bytes = bytes, .op = current_op(), .born = events_++, .died = MemoryTrace::kNever});
    return memory;
  }

  void release(void* memory, size_t bytes) noexcept override {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = alive_.find(memory); found != alive_.end()) {
        trace_.blocks[found->second].died = events_++;
        alive_.erase(found);
      }
    }
    if (exists_) imago::release(memory, bytes, trace_.device);
  }

  void label(void* memory, const char* op) noexcept override {
    const std::lock_guard lock(mutex_);
    if (const auto found = alive_.find(memory); found != alive_.end()) trace_.blocks[found->second].op = op;
  }

  MemoryTrace finish() {
    const std::lock_guard lock(mutex_);
    alive_.clear();
    return std::exchange(trace_, {.device = trace_.device});
  }

 private:
  const bool exists_;
  std::mutex mutex_;
  MemoryTrace trace_;
  int64_t events_ = 0;
  std::unordered_map<void*, size_t> alive_;  // address -> its block in the trace
};

}  // namespace

MemoryTrace trace_memory(Device device, const std::function<void()>& work) {
  IMAGO_CHECK(!memory_source(device), "trace_memory: this thread's memory on ", device, " is being watched already");
  const auto memory = std::make_shared<TracedMemory>(device, true);
  const MemorySourceScope scope(device, memory);
  work();
  return memory->finish();
}

MemoryTrace dry_run(Device device, const std::function<void()>& work) {
  const auto memory = std::make_shared<TracedMemory>(device, false);
  const Capture capture(device, Recording::dry_run, memory);  // never finished, so what it has kept is dropped
  work();
  return memory->finish();
}

int64_t largest_batch(Device device, size_t bytes, const std::function<void(int64_t batch)>& step, int64_t limit) {
  const auto fits = [&](int64_t batch) { return dry_run(device, [&] { step(batch); }).peak() <= bytes; };
  if (limit < 1 || !fits(1)) return 0;
  int64_t good = 1, bad = limit + 1;  // good fits; bad does not, or is not asked for
  while (bad - good > 1) {
    const int64_t next = bad == limit + 1 && good <= limit / 2 ? 2 * good : good + (bad - good) / 2;
    (fits(next) ? good : bad) = next;
  }
  return good;
}

}  // namespace imago
