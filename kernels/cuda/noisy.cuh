// What add_noise and noisy_images write once they have an image and its noise.
#pragma once

#include "kernels/cuda/device/noise.cuh"
#include "kernels/options.h"

namespace imago::kernels::IMAGO_BACKEND {

template <typename T>
struct NoisyOutputs {
  using A = Accumulator<T>;
  T *x_t, *target;  // (N, E); null where not wanted
  PredictionType prediction;

  // Elements [at, at + N) of the batch.
  template <int N>
  __device__ __forceinline__ void write(int64_t at, A alpha, A sigma, const Pack<A, N>& x0, const Pack<A, N>& z) const {
    Pack<T, N> out;
    if (x_t) {
      for (int k = 0; k < N; ++k) out.v[k] = T(alpha * x0.v[k] + sigma * z.v[k]);
      store_pack(x_t + at, out);
    }
    if (!target) return;
    for (int k = 0; k < N; ++k) out.v[k] = T(target_of(alpha, sigma, x0.v[k], z.v[k]));
    store_pack(target + at, out);
  }

  __device__ __forceinline__ A target_of(A alpha, A sigma, A x0, A z) const {
    switch (prediction) {
      case PredictionType::epsilon: return z;
      case PredictionType::sample: return x0;
      case PredictionType::v_prediction: return alpha * z - sigma * x0;
      case PredictionType::flow_prediction: return z - x0;
    }
    return z;
  }
};

// t[n], of either type that time steps come in; n itself where t is null.
struct TimeSteps {
  const void* t;  // (N), or null
  bool narrow;    // i32, not i64
  __device__ __forceinline__ int64_t operator[](int64_t n) const {
    if (!t) return n;
    return narrow ? static_cast<const int32_t*>(t)[n] : static_cast<const int64_t*>(t)[n];
  }
};

}  // namespace imago::kernels::IMAGO_BACKEND
