#include "core/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/device_memory.h"
#include "core/memory_source.h"
#include "core/op_label.h"

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

constinit thread_local const char* label = nullptr;

// Four size classes between two powers of two: at most a quarter is wasted, and sizes that differ a little share
// blocks. What a graph has planned may be most of a GPU's memory: there, classes are 64 MB apart.
size_t size_class(size_t bytes) {
  if (bytes <= 256) return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t step = std::min(std::bit_floor(bytes - 1) / 4, size_t{64} << 20);
  return (bytes + step - 1) / step * step;
}

// A block that somebody has.
struct Use {
  size_t bytes = 0;  // what it counts for; 0 where it is part of its source's memory
  const char* op = nullptr;
  std::shared_ptr<MemorySource> source;  // null: the cache
};

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
      if (!memory) fail_out_of_memory(size);
      blocks.reserve(blocks.size() + 1 + outstanding_[size]++);  // so that release() cannot throw
    }
    uses_[memory] = {.bytes = size, .op = current_op()};
    stats_.in_use += size;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    if (device_ == Device::cpu) {
      ASAN_POISON_MEMORY_REGION(memory, size);
      ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    }
    return memory;
  }

  // The source has given this block to somebody: it is the one to be told of the release.
  void lend(void* memory, const std::shared_ptr<MemorySource>& source) {
    const std::lock_guard lock(mutex_);
    Use& use = uses_[memory];
    use.source = source;
    if (!use.bytes) use.op = current_op();
  }

  void release(void* memory, size_t bytes) noexcept {
    std::unique_lock lock(mutex_);
    const auto found = uses_.find(memory);
    if (const auto source = std::exchange(found->second.source, nullptr)) {
      if (found->second.bytes == 0) uses_.erase(found);
      lock.unlock();
      return source->release(memory, bytes);
    }
    uses_.erase(found);
    const size_t size = block_size(bytes);
    stats_.in_use -= size;
    if (!memory_.cached) return memory_.release(memory);
    if (device_ == Device::cpu) ASAN_POISON_MEMORY_REGION(memory, size);
    free_[size].push_back(memory);
    stats_.cached += size;
  }

  void label(void* memory, const char* op) noexcept {
    std::unique_lock lock(mutex_);
    const auto found = uses_.find(memory);
    if (found == uses_.end() || found->second.op) return;
    found->second.op = op;
    const std::shared_ptr<MemorySource> source = found->second.source;
    lock.unlock();
    if (source) source->label(memory, op);
  }

  size_t block_size(size_t bytes) const { return memory_.cached ? size_class(bytes) : bytes; }

  MemoryStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  std::vector<OpMemory> by_op() const {
    const std::lock_guard lock(mutex_);
    return by_op_locked();
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
  std::vector<OpMemory> by_op_locked() const {
    std::vector<OpMemory> ops;
    for (const auto& [memory, use] : uses_)
      if (use.bytes) add_to(ops, use.op, use.bytes);
    sort_by_size(ops);
    return ops;
  }

  [[noreturn]] void fail_out_of_memory(size_t asked) const {
    const std::vector<OpMemory> ops = by_op_locked();
    std::string holders;
    for (size_t i = 0; i < std::min<size_t>(ops.size(), 4); ++i)
      holders += concat(i ? ", " : " (", ops[i].op, " ", bytes_text(ops[i].bytes));
    fail("out of memory on ", device_, ": asked for ", bytes_text(asked), " while ", bytes_text(stats_.in_use),
         " are in use", holders, holders.empty() ? "" : ")", " and ", bytes_text(memory_.capacity().free),
         " are free; a smaller batch or activation checkpointing needs less");
  }

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
  std::unordered_map<void*, Use> uses_;                  // all others
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
  if (bytes == 0) return nullptr;
  CachingAllocator& allocator = allocator_for(device);
  const std::shared_ptr<MemorySource>& source = memory_source(device);
  if (!source) return allocator.allocate(bytes);
  void* memory = source->allocate(bytes);
  allocator.lend(memory, source);
  return memory;
}
void release(void* memory, size_t bytes, Device device) noexcept {
  if (memory) allocator_for(device).release(memory, bytes);
}
size_t allocation_size(size_t bytes, Device device) { return bytes ? allocator_for(device).block_size(bytes) : 0; }
MemoryStats memory_stats(Device device) { return allocator_for(device).stats(); }
std::vector<OpMemory> memory_by_op(Device device) { return allocator_for(device).by_op(); }
void reset_peak_memory(Device device) { allocator_for(device).reset_peak(); }
void trim_memory(Device device) { allocator_for(device).trim(); }

OpLabel::OpLabel(const char* op) : before_(std::exchange(label, op)) {}
OpLabel::~OpLabel() { label = before_; }
const char* current_op() { return label; }
void label_memory(void* memory, Device device, const char* op) noexcept {
  if (memory) allocator_for(device).label(memory, op);
}

void add_to(std::vector<OpMemory>& ops, const char* op, size_t bytes) {
  const std::string_view name = op ? op : "other";
  auto found = std::find_if(ops.begin(), ops.end(), [&](const OpMemory& o) { return o.op == name; });
  if (found == ops.end()) found = ops.insert(ops.end(), {.op = std::string(name)});
  found->bytes += bytes;
  ++found->blocks;
}

void sort_by_size(std::vector<OpMemory>& ops) {
  std::sort(ops.begin(), ops.end(),
            [](const OpMemory& a, const OpMemory& b) { return a.bytes != b.bytes ? a.bytes > b.bytes : a.op < b.op; });
}

std::string bytes_text(size_t bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

}  // namespace imago
