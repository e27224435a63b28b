// Memory comes from a caching allocator: a training step asks for the same sizes again and again, and returning pages
// to the system between steps costs more than many of the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/device.h"

namespace imago {

inline constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 register

struct MemoryStats {
  size_t in_use = 0;  // bytes handed out (rounded up to their size class)
  size_t peak = 0;    // the most that was ever in use
  size_t cached = 0;  // bytes kept for the next request
};

// `bytes` of memory on `device`, aligned to kAlignment, contents undefined. Zero bytes give null. Thread-safe.
// Throws when the device has no more: the message says what was asked, and who holds the rest. Released memory may be
// handed out again while work that was queued before is still using it: see core/stream.h for why that is right.
void* allocate(size_t bytes, Device device);
void release(void* memory, size_t bytes, Device device) noexcept;

// What `bytes` count for in the statistics: they are rounded up to a size class.
size_t allocation_size(size_t bytes, Device device);

MemoryStats memory_stats(Device device);
struct OpMemory {
  std::string op;  // see core/op_label.h; "other" where nobody said
  size_t bytes = 0;
  int64_t blocks = 0;
};
// Who holds what is in use, the most first.
std::vector<OpMemory> memory_by_op(Device device);
// For making such lists: `op` (null: "other") holds these bytes too.
void add_to(std::vector<OpMemory>& ops, const char* op, size_t bytes);
void sort_by_size(std::vector<OpMemory>& ops);
void reset_peak_memory(Device device);
// Returns what is cached and not in use to the system.
void trim_memory(Device device);

std::string bytes_text(size_t bytes);  // "1.5 GiB"

}  // namespace imago
