// Memory comes from a caching allocator: a training step asks for the same sizes again and again, and returning pages
// to the system between steps costs more than many of the kernels.
#pragma once

#include <cstddef>

#include "core/device.h"

namespace imago {

inline constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 register

struct MemoryStats {
  size_t in_use = 0;  // bytes handed out (rounded up to their size class)
  size_t peak = 0;    // the most that was ever in use
  size_t cached = 0;  // bytes kept for the next request
};

// `bytes` of memory on `device`, aligned to kAlignment, contents undefined. Zero bytes give null. Thread-safe.
// Throws when the device has no more: the message says what was asked and what is held.
void* allocate(size_t bytes, Device device);
void release(void* memory, size_t bytes, Device device) noexcept;

MemoryStats memory_stats(Device device);
void reset_peak_memory(Device device);
// Returns what is cached and not in use to the system.
void trim_memory(Device device);

}  // namespace imago
