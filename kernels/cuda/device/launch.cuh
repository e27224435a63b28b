// Launch shapes, element-wise launches, and memory for intermediate results.
#pragma once

#include <cstdint>

#include "core/allocator.h"
#include "core/check.h"
#include "core/device.h"
#include "kernels/cuda/device/pack.cuh"

namespace imago::kernels::IMAGO_BACKEND {

inline constexpr int kThreads = 256;  // of a block, where nothing speaks for another number

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A one-dimensional grid. Kernels compute positions in 64 bits: int64_t{blockIdx.x} * blockDim.x + threadIdx.x.
inline dim3 grid_of(int64_t blocks) {
  IMAGO_CHECK(blocks >= 1 && blocks < int64_t{1} << 31, "launch: a grid of ", blocks, " blocks is not possible");
  return dim3(static_cast<unsigned>(blocks));
}

inline simt::Stream stream_of(Stream stream) { return static_cast<simt::Stream>(stream.handle); }

// Calls body(i) for every i in [0, n), one thread each. Body is a struct of plain values with a __device__ operator().
template <typename Body>
__global__ void __launch_bounds__(kThreads) for_each_kernel(int64_t n, Body body) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) body(i);
}
template <typename Body>
void for_each(int64_t n, Stream stream, const Body& body) {
  if (n == 0) return;
  simt::launch(for_each_kernel<Body>, grid_of(divide_up(n, kThreads)), dim3(kThreads), 0, stream_of(stream), n, body);
}

// n elements of the device's memory while it lives. Work on the stream may use it until then: memory that is handed out
// again is used by later work of the same stream.
template <typename T>
class Workspace {
 public:
  explicit Workspace(int64_t n)
      : bytes_(static_cast<size_t>(n) * sizeof(T)), memory_(allocate(bytes_, Device::IMAGO_DEVICE)) {}
  ~Workspace() { release(memory_, bytes_, Device::IMAGO_DEVICE); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  T* data() const { return static_cast<T*>(memory_); }

 private:
  size_t bytes_;
  void* memory_;
};

}  // namespace imago::kernels::IMAGO_BACKEND
