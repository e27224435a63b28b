// A block of memory that several tensors may look at.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/allocator.h"

namespace imago {

class Storage {
 public:
  Storage(size_t bytes, Device device)
      : memory_(allocate(bytes, device)), bytes_(bytes), device_(device) {}
  ~Storage() { release(memory_, bytes_, device_); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* memory() const { return memory_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  // Counts the in-place writes, so that autograd can tell when a value it saved has been overwritten.
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void* memory_;
  size_t bytes_;
  Device device_;
  std::atomic<uint64_t> version_{0};
};

}  // namespace imago
