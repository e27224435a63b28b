// A block of threads at run time. Every CUDA thread is a fiber; a block runs on one OS thread from start to end. A
// fiber runs until it comes to a synchronising operation, where it waits and the next ready one goes on. Nothing is in
// lock-step, as on devices since Volta.
//
// A kernel that fails is abandoned in mid-flight: its fibers are never resumed, so nothing on their stacks may own heap
// memory when fail() is called.
#pragma once

#include "kernels/simt/asan.h"
#include "kernels/simt/check/check.h"
#include "kernels/simt/fiber.h"
#include "kernels/simt/launch.h"
#include "kernels/simt/options.h"
#include "kernels/simt/thread.h"

namespace simt::detail {

inline constexpr unsigned kNamedBarriers = 16, kMaxSharedArrays = 64;
inline constexpr size_t kSharedWindow = 256 * 1024, kSharedRedzone = 64;

struct Block;
struct Warp;

struct AsyncCopy {
  void* dst;
  const void* src;
  const void* pc;  // where it was issued
  uint32_t bytes, src_bytes;
  uint32_t group;
};
struct AsyncQueue {  // of one thread, a ring
  AsyncCopy* copies = nullptr;
  unsigned head = 0, count = 0;
  uint32_t group = 0;  // the one that is being filled
};

// What the lanes of a warp do once all have arrived: operands[i] is what lane i brought, null if it is not in `mask`.
using WarpOperation = void (*)(void** operands, uint32_t mask);

struct Lane : ThreadView {
  void* context = nullptr;  // while suspended
  char* stack = nullptr;    // its lowest byte
  Block* block = nullptr;
  Warp* warp = nullptr;
  Site site{};              // the operation that it waits in, if any,
  uint32_t mask = 0;        //   the lanes that take part,
  void* operand = nullptr;  //   and what this lane brings
  WarpOperation operation = nullptr;
  AsyncQueue async;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

struct Warp {
  uint32_t exists = 0, live = 0, ready = 0, arrived = 0;  // masks of lanes
  unsigned number = 0;                                    // within the block
};

struct Barrier {
  Site first{};  // where the first to arrive waits
  unsigned arrived = 0, votes = 0, result = 0;
  uint32_t waiting[kMaxWarps] = {};
};

struct SharedArray {
  const void* key;
  char* at;
};

// What one OS thread needs to run blocks, one after another; kept for later launches, since stacks are dear.
struct Block {
  BlockView view;
  Lane lanes[kMaxThreads];
  Warp warps[kMaxWarps];
  Barrier barriers[kNamedBarriers];
  unsigned count = 0, live = 0, warp_count = 0, idle_spins = 0;
  uint32_t ready_warps = 0;
  Order order = Order::forward;
  uint64_t random = 1;
  void* main_context = nullptr;  // the OS thread's own stack
  void* main_fake_stack = nullptr;
  const void* main_stack = nullptr;
  size_t main_stack_bytes = 0;
  char* shared = nullptr;  // the block's window of shared memory
  size_t shared_top = 0, dynamic_bytes = 0, static_bytes = 0;
  SharedArray arrays[kMaxSharedArrays];
  unsigned array_count = 0;
  const Launch* launch = nullptr;
  char error[1024] = {};
  bool failed = false;
};

Lane& self();
bool in_kernel();

// ---- scheduler.cpp
// Ends the launch with this message: switches back to the OS thread and never returns.
[[noreturn]] __attribute__((format(printf, 2, 3))) void fail(Block& b, const char* format, ...);
struct SiteText {
  char text[240];
};
SiteText describe(const Site& site);  // "__syncthreads at softmax.cu:40"
void set_ready(Block& b, Warp& w, uint32_t lanes);
void wait(Lane& me);       // until somebody makes this lane ready again
void run_lanes(Block& b);  // from the OS thread: until all have left the kernel or one has failed
void prepare_fiber(Lane& lane);

// ---- barrier.cpp
void release(Block& b, unsigned id);  // everybody has arrived
void leave_barriers(Lane& me);        // this lane has left the kernel

// ---- warp.cpp
// All lanes of `mask` meet; the last to arrive carries out `operation` for all of them.
void warp_meet(uint32_t mask, void* operand, WarpOperation operation, Site site);

// ---- shared_memory.cpp
void reset_shared(Block& b);  // before a block runs: one dynamic array, nothing else
uint32_t shared_offset(const void* p, Site site);

}  // namespace simt::detail
