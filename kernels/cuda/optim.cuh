// What the optimisers' kernels share.
#pragma once

#include <cmath>

#include "kernels/clip.h"
#include "kernels/cuda/device/pack.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// e + rest (w - e): the factors of (1 - rest) e + rest w, once rounded, would not add up to one, and the average of a
// constant would drift. With rest = 1 an exact copy.
template <typename A>
__device__ __forceinline__ A moved_average(A e, A w, A rest) {
  return rest == A(1) ? w : e + rest * (w - e);
}

// `scale`, and the clipping factor with it. All threads read the one number that the norm's kernel left: no word about
// it goes to the host and back.
template <typename A>
__device__ __forceinline__ A clipped_scale(double scale, const NormClip& clip) {
  const A whole = static_cast<A>(scale);
  if (!clip.squared_norm) return whole;
  return whole * clip_factor(std::sqrt(static_cast<A>(*clip.squared_norm)), static_cast<A>(clip.max_norm));
}

}  // namespace imago::kernels::IMAGO_BACKEND
