#include "kernels/ema.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

// e + (1 - decay)(w - e): the factors of decay * e + (1 - decay) * w, once rounded, would not add
// up to one, and the average of a constant would drift.
void ema(const Ema& p, Stream) {
  visit<float, double>(p.dtype, "ema", [&]<typename T>() {
    const T* w = static_cast<const T*>(p.w);
    T* e = static_cast<T*>(p.ema);
    const T rest = static_cast<T>(1 - p.decay);
    parallel_chunks(p.n, 1 << 14, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        e[i] = rest == T(1) ? w[i] : e[i] + rest * (w[i] - e[i]);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
