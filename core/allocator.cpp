#include "core/allocator.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/check.h"
#include "core/device_memory.h"

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
  explicit CachingAllocator(Device device) : device_(device), memory_(device_memory(device)) {}

  void* allocate(size_t bytes) {
    const size_t size = block_size(bytes);
    const std::lock_guard lock(mutex_);
    std::vector<void*>& blocks = free_[size];
    void* memory = nullptr;
    if (!blocks.empty()) {
      memory = blocks.back();
      blocks.pop_back();
      stats_.cached -= size;
    } else {
      memory = memory_.allocate(size);
      if (!memory) {  // the cache may hold what is missing, in blocks of other sizes
        trim_locked();
        memory = memory_.allocate(size);
      }
      IMAGO_CHECK(memory, "out of memory on ", device_, ": asked for ", size, " bytes while ", stats_.in_use,
                  " are in use");
      blocks.reserve(blocks.size() + 1 + outstanding_[size]++);  // so that release() cannot throw
    }
    stats_.in_use += size;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    if (device_ == Device::cpu) {
      ASAN_POISON_MEMORY_REGION(memory, size);
      ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    }
    return memory;
  }

  void release(void* memory, size_t bytes) noexcept {
    const size_t size = block_size(bytes);
    const std::lock_guard lock(mutex_);
    stats_.in_use -= size;
    if (!memory_.cached) return memory_.release(memory);
    if (device_ == Device::cpu) ASAN_POISON_MEMORY_REGION(memory, size);
    free_[size].push_back(memory);
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
  size_t block_size(size_t bytes) const { return memory_.cached ? size_class(bytes) : bytes; }

  void trim_locked() {
    for (auto& [size, blocks] : free_) {
      for (void* memory : blocks) {
        if (device_ == Device::cpu) ASAN_UNPOISON_MEMORY_REGION(memory, size);
        memory_.release(memory);
      }
      stats_.cached -= size * blocks.size();
      outstanding_[size] -= blocks.size();
      blocks.clear();
    }
  }

  const Device device_;
  const DeviceMemory& memory_;
  mutable std::mutex mutex_;
  std::unordered_map<size_t, std::vector<void*>> free_;  // size class -> blocks nobody uses
  std::unordered_map<size_t, size_t> outstanding_;       // size class -> blocks that exist
  MemoryStats stats_;
};

// Never destroyed: tensors with static lifetime may be released after main.
CachingAllocator& allocator_for(Device device) {
  if (device == Device::cpu) {
    static CachingAllocator& cpu = *new CachingAllocator(Device::cpu);
    return cpu;
  }
  if (device == Device::simt) {
    static CachingAllocator& simt = *new CachingAllocator(Device::simt);
    return simt;
  }
  static CachingAllocator& cuda = *new CachingAllocator(Device::cuda);
  return cuda;
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
