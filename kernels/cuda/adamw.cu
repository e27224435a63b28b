// AdamW over a flat buffer: one kernel that reads and writes each array once. It is all memory traffic: with an average
// and a bf16 copy 38 bytes a parameter, so whatever else has to touch these arrays in a step (clipping, the average,
// the copy that the next forward pass computes with, zeroing the gradients) is done here, for the price of its own
// bytes.
#include "kernels/adamw.h"

#include <cmath>

#include "kernels/cuda/device/elementwise.cuh"
#include "kernels/cuda/optim.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Update {
  using A = Accumulator<T>;
  T *g, *w, *m, *v, *ema;  // (n) each; ema may be null
  bfloat16* shadow;        // (n) or null
  double scale;
  NormClip clip;
  A penalty, beta2, rest1, rest2, eps;
  AdamWUpdate given;
  const AdamWUpdate* update_at;  // or null
  bool zero_gradient;

  template <int N>
  __device__ void run(int64_t i) const {
    const AdamWUpdate* update = update_at ? update_at : &given;  // the same address for all threads
    if (!update->wanted) {
      if (zero_gradient) store_pack(g + i, Pack<T, N>{});
      return;
    }
    const A keep = static_cast<A>(update->numbers.keep), rate = static_cast<A>(update->numbers.rate);
    const A root = static_cast<A>(update->numbers.root), ema_rest = static_cast<A>(update->numbers.ema_rest);
    const A factor = clipped_scale<A>(scale, clip);
    Pack<T, N> gradient = load_pack<N>(g + i), value = load_pack<N>(w + i);
    Pack<T, N> first = load_pack<N>(m + i), second = load_pack<N>(v + i), average;
    if (ema) average = load_pack<N>(ema + i);
    Pack<bfloat16, N> copy;
    for (int k = 0; k < N; ++k) {
      const A old = A(value.v[k]), d = A(gradient.v[k]) * factor + penalty * old;
      const A m1 = A(first.v[k]) + rest1 * (d - A(first.v[k]));
      const A v1 = beta2 * A(second.v[k]) + rest2 * d * d;
      const A moved = old * keep - rate * m1 / (std::sqrt(v1) * root + eps);
      first.v[k] = T(m1);
      second.v[k] = T(v1);
      value.v[k] = T(moved);
      gradient.v[k] = T(A(0));
      if (ema) average.v[k] = T(moved_average(A(average.v[k]), moved, ema_rest));
      copy.v[k] = bfloat16(static_cast<float>(moved));
    }
    store_pack(w + i, value);
    store_pack(m + i, first);
    store_pack(v + i, second);
    if (ema) store_pack(ema + i, average);
    if (shadow) store_pack(shadow + i, copy);
    if (zero_gradient) store_pack(g + i, gradient);
  }
};

}  // namespace

void adamw(const AdamW& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "adamw", [&]<typename T>() {
    using A = Accumulator<T>;
    const Update<T> body{
        .g = static_cast<T*>(p.g),
        .w = static_cast<T*>(p.w),
        .m = static_cast<T*>(p.m),
        .v = static_cast<T*>(p.v),
        .ema = static_cast<T*>(p.ema),
        .shadow = p.shadow,
        .scale = p.gradient_scale,
        .clip = p.clip,
        .penalty = static_cast<A>(p.penalty),
        .beta2 = static_cast<A>(p.beta2),
        .rest1 = static_cast<A>(1 - p.beta1),
        .rest2 = static_cast<A>(1 - p.beta2),
        .eps = static_cast<A>(p.eps),
        .given = p.update,
        .update_at = p.update_at,
        .zero_gradient = p.zero_gradient,
    };
    for_each_pack<T>(p.n, stream, body, body.g, body.w, body.m, body.v, body.ema, body.shadow);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
