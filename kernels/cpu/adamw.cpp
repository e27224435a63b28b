#include "kernels/adamw.h"

#include <cmath>

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// One pass reads and writes every buffer once: the memory bus sets the pace. kEma is known at
// compile time, so that the loop has no branches, and the compiler is told that the buffers do not
// overlap (five of them are more than it would check): both make it vector code. The copy and the
// zeros follow chunk by chunk, from the cache.
template <typename T, bool kEma>
void update(const AdamW& p) {
  T* g = static_cast<T*>(p.g);
  T *w = static_cast<T*>(p.w), *ema = static_cast<T*>(p.ema);
  T *m = static_cast<T*>(p.m), *v = static_cast<T*>(p.v);
  bfloat16* shadow = p.shadow;
  const bool zero_gradient = p.zero_gradient;
  const AdamWUpdate now = p.update_at ? *p.update_at : p.update;
  if (!now.wanted) {
    if (zero_gradient) parallel_chunks(p.n, 1 << 14, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) g[i] = T(0);
    });
    return;
  }
  const double clip =
      p.clip.squared_norm ? clip_factor(std::sqrt(*p.clip.squared_norm), p.clip.max_norm) : 1;
  const T scale = static_cast<T>(p.gradient_scale * clip);
  const T penalty = static_cast<T>(p.penalty), keep = static_cast<T>(now.numbers.keep);
  const T rest1 = static_cast<T>(1 - p.beta1), rest2 = static_cast<T>(1 - p.beta2);
  const T beta2 = static_cast<T>(p.beta2);
  const T rate = static_cast<T>(now.numbers.rate), root = static_cast<T>(now.numbers.root);
  const T eps = static_cast<T>(p.eps), ema_rest = static_cast<T>(now.numbers.ema_rest);
  parallel_chunks(p.n, 1 << 14, [=](int64_t begin, int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      const T d = g[i] * scale + penalty * w[i];
      m[i] += rest1 * (d - m[i]);
      v[i] = beta2 * v[i] + rest2 * d * d;
      w[i] = w[i] * keep - rate * m[i] / (std::sqrt(v[i]) * root + eps);
      if constexpr (kEma) ema[i] = ema_rest == T(1) ? w[i] : ema[i] + ema_rest * (w[i] - ema[i]);
    }
    if (shadow)
      for (int64_t i = begin; i < end; ++i) shadow[i] = bfloat16(static_cast<float>(w[i]));
    if (zero_gradient)
      for (int64_t i = begin; i < end; ++i) g[i] = T(0);
  });
}

}  // namespace

void adamw(const AdamW& p, Stream) {
  visit<float, double>(p.dtype, "adamw",
                       [&]<typename T>() { p.ema ? update<T, true>(p) : update<T, false>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
