// The sigmoid and SiLU by the GPU's own approximations, for kernels that compute them beside every 2-byte load: there
// the polynomials of kernels/math.h would take longer than the memory. Relative error about 1e-6 for |x| < 20.
#pragma once

#include <cmath>

#include "kernels/cuda/device/portable.cuh"

namespace imago::kernels::IMAGO_BACKEND {

__device__ __forceinline__ float fast_sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }
__device__ __forceinline__ double fast_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

template <typename A>
__device__ __forceinline__ A fast_silu(A x) {
  return x * fast_sigmoid(x);
}
template <typename A>
__device__ __forceinline__ A fast_silu_derivative(A x) {
  const A s = fast_sigmoid(x);
  return s * (A(1) + x * (A(1) - s));
}

}  // namespace imago::kernels::IMAGO_BACKEND
