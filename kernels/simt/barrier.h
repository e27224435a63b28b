// Barriers and memory fences as kernels call them.
#pragma once

#include "kernels/simt/thread.h"

namespace simt {
namespace detail {

// bar.sync id, expected: waits until `expected` threads have arrived; 0 means the whole block. Returns how many threads
// brought a true vote.
unsigned barrier_sync(unsigned id, unsigned expected, bool vote, Site site);
void barrier_arrive(unsigned id, unsigned expected, Site site);  // bar.arrive: counts in, does not wait
void warp_barrier(uint32_t mask, Site site);
void fence();
void spin();

}  // namespace detail

// Gives way to other threads: belongs into every loop that polls memory.
__forceinline__ void spin() { detail::spin(); }

// Barriers 1 to 15, for part of a block: `threads` of it, a multiple of 32, wait for one another.
__forceinline__ void named_barrier_sync(unsigned id, unsigned threads, SIMT_HERE) {
  detail::barrier_sync(id, threads, false, {"named_barrier_sync", file, line});
}
__forceinline__ void named_barrier_arrive(unsigned id, unsigned threads, SIMT_HERE) {
  detail::barrier_arrive(id, threads, {"named_barrier_arrive", file, line});
}

}  // namespace simt

__forceinline__ void __syncthreads(SIMT_HERE) {
  simt::detail::barrier_sync(0, 0, false, {"__syncthreads", file, line});
}
__forceinline__ int __syncthreads_count(int p, SIMT_HERE) {
  return static_cast<int>(simt::detail::barrier_sync(0, 0, p != 0, {"__syncthreads_count", file, line}));
}
__forceinline__ int __syncthreads_or(int p, SIMT_HERE) {
  return simt::detail::barrier_sync(0, 0, p != 0, {"__syncthreads_or", file, line}) != 0;
}
__forceinline__ int __syncthreads_and(int p, SIMT_HERE) {
  return simt::detail::barrier_sync(0, 0, p == 0, {"__syncthreads_and", file, line}) == 0;
}
__forceinline__ void __syncwarp(unsigned mask = ~0u, SIMT_HERE) {
  simt::detail::warp_barrier(mask, {"__syncwarp", file, line});
}

// A fence orders everything before it, in whatever thread, with everything behind a later atomic: more than CUDA
// promises, so the checker can miss a race here, but invents none.
__forceinline__ void __threadfence() { simt::detail::fence(); }
__forceinline__ void __threadfence_block() { simt::detail::fence(); }
__forceinline__ void __threadfence_system() { simt::detail::fence(); }
