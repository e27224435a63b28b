#include "core/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/check.h"

// Under AddressSanitizer the bytes that nobody asked for, and the blocks that nobody uses, must not
// be touched.
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, bytes) ((void)(memory), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(memory, bytes) ((void)(memory), (void)(bytes))
#endif

namespace imago {
namespace {

// Four size classes between two powers of two: at most a quarter is wasted, and sizes that differ a
// little share blocks.
size_t size_class(size_t bytes) {
  if (bytes <= 256) return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

class CachingAllocator {
 public:
  void* allocate(size_t bytes) {
    const size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    std::vector<void*>& blocks = free_[size];
    void* memory = nullptr;
    if (!blocks.empty()) {
      memory = blocks.back();
      blocks.pop_back();
      stats_.cached -= size;
    } else {
      memory = std::aligned_alloc(kAlignment, size);
      if (!memory) {  // the cache may hold what is missing, in blocks of other sizes
        trim_locked();
        memory = std::aligned_alloc(kAlignment, size);
      }
      IMAGO_CHECK(memory, "out of memory on cpu: asked for ", size, " bytes while ", stats_.in_use,
                  " are in use");
      blocks.reserve(blocks.size() + 1 + outstanding_[size]++);  // so that release() cannot throw
    }
    stats_.in_use += size;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    ASAN_POISON_MEMORY_REGION(memory, size);
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    return memory;
  }

  void release(void* memory, size_t bytes) noexcept {
    const size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    ASAN_POISON_MEMORY_REGION(memory, size);
    free_[size].push_back(memory);
    stats_.in_use -= size;
    stats_.cached += size;
  }

  MemoryStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.peak = stats_.in_use;
  }
  void trim() {
    const std::lock_guard lock(mutex_);
    trim_locked();
  }

 private:
  void trim_locked() {
    for (auto& [size, blocks] : free_) {
      for (void* memory : blocks) {
        ASAN_UNPOISON_MEMORY_REGION(memory, size);
        std::free(memory);
      }
      stats_.cached -= size * blocks.size();
      outstanding_[size] -= blocks.size();
      blocks.clear();
    }
  }

  mutable std::mutex mutex_;
  std::unordered_map<size_t, std::vector<void*>> free_;  // size class -> blocks nobody uses
  std::unordered_map<size_t, size_t> outstanding_;       // size class -> blocks that exist
  MemoryStats stats_;
};

// Never destroyed: tensors with static lifetime may be released after main.
CachingAllocator& allocator_for(Device device) {
  static CachingAllocator& cpu = *new CachingAllocator;
  IMAGO_CHECK(device == Device::cpu, "this build of imago has no memory on ", device);
  return cpu;
}

}  // namespace

void* allocate(size_t bytes, Device device) {
  return bytes ? allocator_for(device).allocate(bytes) : nullptr;
}
void release(void* memory, size_t bytes, Device device) noexcept {
  if (memory) allocator_for(device).release(memory, bytes);
}
MemoryStats memory_stats(Device device) { return allocator_for(device).stats(); }
void reset_peak_memory(Device device) { allocator_for(device).reset_peak(); }
void trim_memory(Device device) { allocator_for(device).trim(); }

}  // namespace imago
