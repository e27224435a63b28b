// What a kernel may ask about the thread that runs it: CUDA's built-in variables.
#pragma once

#include "kernels/simt/types.h"

namespace simt {

inline constexpr unsigned kWarpSize = 32, kMaxThreads = 1024, kMaxWarps = kMaxThreads / kWarpSize;

// A synchronising operation in the kernel's source: for messages, and to tell one barrier from another.
struct Site {
  const char* what = nullptr;
  const char* file = nullptr;
  int line = 0;
};
// Default arguments of a function that wants to know where it was called.
#define SIMT_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

struct BlockView {
  uint3 index{};
  dim3 size, grid;
};
struct ThreadView {
  uint3 index{};
  unsigned linear = 0, lane = 0;  // its number within the block, and within the warp
  const BlockView* view = nullptr;
};

#ifdef IMAGO_SIMT_CHECK  // out of line: the checker must not take these for memory accesses of the kernel
const ThreadView& this_thread();
uint3 thread_index();
uint3 block_index();
dim3 block_size();
dim3 grid_size();
unsigned lane_id();
#else
extern constinit thread_local const ThreadView* running;  // null outside kernels
__forceinline__ const ThreadView& this_thread() { return *running; }
__forceinline__ uint3 thread_index() { return running->index; }
__forceinline__ uint3 block_index() { return running->view->index; }
__forceinline__ dim3 block_size() { return running->view->size; }
__forceinline__ dim3 grid_size() { return running->view->grid; }
__forceinline__ unsigned lane_id() { return running->lane; }
#endif

}  // namespace simt

#define threadIdx (::simt::thread_index())
#define blockIdx (::simt::block_index())
#define blockDim (::simt::block_size())
#define gridDim (::simt::grid_size())
inline constexpr int warpSize = 32;
