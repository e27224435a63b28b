// Sums over a warp and over a block, in an order that does not depend on timing.
#pragma once

#include "kernels/cuda/device/portable.cuh"

namespace imago::kernels::IMAGO_BACKEND {

inline constexpr unsigned kAllLanes = 0xffffffffu;
inline constexpr int kWarp = 32;

struct Sum {
  template <typename T>
  __device__ T operator()(T a, T b) const { return a + b; }
};
struct Max {
  template <typename T>
  __device__ T operator()(T a, T b) const { return a > b ? a : b; }
};

// All lanes of the warp take part, and all of them get the result. `width`: groups of that many lanes, a power of two.
template <typename Combine = Sum, typename T>
__device__ __forceinline__ T warp_reduce(T x, int width = kWarp) {
#pragma unroll
  for (int offset = width / 2; offset > 0; offset /= 2) x = Combine()(x, __shfl_xor_sync(kAllLanes, x, offset, width));
  return x;
}

// All threads of a block of whole warps (one dimension) take part, and all of them get the result. `scratch` is
// shared memory of 32 elements that may be used again right after.
template <typename Combine = Sum, typename T>
__device__ __forceinline__ T block_reduce(T x, T* scratch) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  x = warp_reduce<Combine>(x);
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  T total = scratch[0];
  for (int i = 1; i < warps; ++i) total = Combine()(total, scratch[i]);
  __syncthreads();  // before anyone writes to scratch again
  return total;
}

}  // namespace imago::kernels::IMAGO_BACKEND
