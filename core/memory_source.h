// Where a thread's memory comes from in place of the allocator's cache, while a step's memory is traced or captured.
#pragma once

#include <memory>

#include "core/device.h"

namespace imago {

// May be asked to release from any thread, and long after the last allocation: blocks remember their source.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  virtual void* allocate(size_t bytes) = 0;  // at least one
  virtual void release(void* memory, size_t bytes) noexcept = 0;
  // `op` made this block of the source.
  virtual void label(void*, const char*) noexcept {}
};

// While it lives, allocate() on this thread and device asks `source`; null stands for the cache.
class MemorySourceScope {
 public:
  MemorySourceScope(Device device, std::shared_ptr<MemorySource> source);
  ~MemorySourceScope();
  MemorySourceScope(const MemorySourceScope&) = delete;
  MemorySourceScope& operator=(const MemorySourceScope&) = delete;

 private:
  Device device_;
  std::shared_ptr<MemorySource> before_;
};

// This thread's, or null.
const std::shared_ptr<MemorySource>& memory_source(Device device);

}  // namespace imago
