// The memory of one step: what is asked for and when it is given back, how much that is at most, and where it goes in
// one block when all of it is known beforehand.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/allocator.h"

namespace imago {

struct MemoryTrace {
  // Events, allocations and releases alike, are counted from 0.
  struct Block {
    size_t bytes;
    const char* op;  // what made it, or null
    int64_t born;
    int64_t died;  // kNever: it was still there at the end
  };
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  Device device = Device::cpu;
  std::vector<Block> blocks;  // in the order of their birth

  // The most bytes that are there at the same time, counted as memory_stats() does.
  size_t peak() const;
  // Who holds them then, the most first.
  std::vector<OpMemory> at_peak() const;
};

// Runs work(), and watches this thread's memory on the device.
MemoryTrace trace_memory(Device device, const std::function<void()>& work);

// Calls work() with its launches, fills and copies dropped, and with addresses that lead nowhere: tells what memory a
// step needs before any of it is there. Looks of the host throw, as in a capture. What work() leaves behind, a tensor
// or a parameter's gradient, must not be used. (What the CPU's kernels ask for as they run is not counted.)
MemoryTrace dry_run(Device device, const std::function<void()>& work);

// The largest batch, at most `limit`, with which dry_run(device, [&] { step(batch); }) peaks at no more than `bytes`;
// 0 if 1 is too many. More images must not need less memory.
int64_t largest_batch(Device device, size_t bytes, const std::function<void(int64_t batch)>& step,
                      int64_t limit = int64_t{1} << 20);

// A place for every block of a trace, such that blocks that are there at the same time do not overlap.
struct MemoryPlan {
  struct Slot {
    size_t bytes;
    size_t offset;
    const char* op;
  };
  Device device = Device::cpu;
  std::vector<Slot> slots;  // as the trace's blocks
  size_t bytes = 0;         // of the one block that holds them all
  size_t lower_bound = 0;   // no plan can do with less: the bytes that are there at the same time
};
MemoryPlan plan_memory(const MemoryTrace& trace);

}  // namespace imago
