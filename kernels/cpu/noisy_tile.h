// The arithmetic of add_noise and noisy_images on a tile. One function, so that both round alike.
#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/options.h"

namespace imago::kernels::IMAGO_BACKEND {

inline constexpr int64_t kNoisyTile = 2048;  // elements: noise, x0 and two outputs stay in the first-level cache

// t[n], of either type that time steps come in; n itself where t is null.
inline int64_t step_at(const void* t, DType dtype, int64_t n) {
  if (!t) return n;
  return dtype == DType::i32 ? static_cast<const int32_t*>(t)[n] : static_cast<const int64_t*>(t)[n];
}

// All arrays are (count); x_t and target are null where not wanted.
template <typename T>
[[gnu::noinline]] void noisy_tile(T alpha, T sigma, PredictionType prediction, const T* x0, const T* noise, T* x_t,
                                  T* target, int64_t count) {
  if (x_t)
    for (int64_t i = 0; i < count; ++i) x_t[i] = alpha * x0[i] + sigma * noise[i];
  if (!target) return;
  switch (prediction) {
    case PredictionType::epsilon:
      for (int64_t i = 0; i < count; ++i) target[i] = noise[i];
      return;
    case PredictionType::sample:
      for (int64_t i = 0; i < count; ++i) target[i] = x0[i];
      return;
    case PredictionType::v_prediction:
      for (int64_t i = 0; i < count; ++i) target[i] = alpha * noise[i] - sigma * x0[i];
      return;
    case PredictionType::flow_prediction:
      for (int64_t i = 0; i < count; ++i) target[i] = noise[i] - x0[i];
      return;
  }
}

}  // namespace imago::kernels::IMAGO_BACKEND
