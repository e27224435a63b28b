// The one header that a kernel includes: CUDA under nvcc, the emulator in kernels/simt elsewhere. What a kernel may use
// beyond plain CUDA C++:
//
//   SIMT_SHARED(float, tile, [32][33]);     __shared__ float tile[32][33];
//   SIMT_DYNAMIC_SHARED(float, buffer);     extern __shared__ float buffer[];
//   simt::launch(kernel, grid, block, shared_bytes, stream, arguments...);
//   simt::spin()                            in every loop that polls memory
//   simt::named_barrier_sync(id, threads)   barriers 1 to 15, for part of a block; ..._arrive does not wait
//   simt::lane_id()
//   simt::vector_at<float4>(p)              *reinterpret_cast<float4*>(p), checked for alignment
//
// and the wrappers of tensor_core.cuh. Not allowed, because the host could not run it or would run it differently: asm,
// __CUDA_ARCH__, plain __shared__, __activemask and warp functions without a mask, textures, launches from kernels.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "core/check.h"

#define SIMT_SHARED(T, name, dims) __shared__ __align__(16) T name dims
// One name and one type for all kernels: extern arrays of one name must agree.
#define SIMT_DYNAMIC_SHARED(T, name)                                       \
  extern __shared__ __align__(1024) unsigned char simt_dynamic_shared_[]; \
  T* name = reinterpret_cast<T*>(simt_dynamic_shared_)

namespace simt {

using Stream = cudaStream_t;

__device__ __forceinline__ void spin() { __nanosleep(20); }
__device__ __forceinline__ void named_barrier_sync(unsigned id, unsigned threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void named_barrier_arrive(unsigned id, unsigned threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ unsigned lane_id() {
  unsigned lane;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}
template <typename V, typename T>
__device__ __forceinline__ V& vector_at(T* p) {
  return *reinterpret_cast<V*>(p);
}

template <typename... P, typename... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, Stream stream, A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "launch: one argument for each parameter of the kernel");
  cudaError_t error = cudaSuccess;
  // More than 48 KB have to be asked for, and a kernel's static arrays count as well. The emulator knows the 32, too.
  if (shared_bytes > 32 * 1024) {
    error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared_bytes));
  }
  if (error == cudaSuccess)
    kernel<<<grid, block, shared_bytes, stream>>>(static_cast<P>(std::forward<A>(arguments))...);
  const cudaError_t last = cudaGetLastError();  // forgets it, or the next launch would report it
  if (error == cudaSuccess) error = last;
  IMAGO_CHECK(error == cudaSuccess, "cuda: launch failed: ", cudaGetErrorString(error));
}

}  // namespace simt

#else

#include "kernels/simt/device.h"

#endif
