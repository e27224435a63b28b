#include "kernels/sgd.h"

#include <cmath>

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
void update(const Sgd& p) {
  const T* g = static_cast<const T*>(p.g);
  T *w = static_cast<T*>(p.w), *b = static_cast<T*>(p.momentum_buffer);
  const double clip =
      p.clip.squared_norm ? clip_factor(std::sqrt(*p.clip.squared_norm), p.clip.max_norm) : 1;
  const T scale = static_cast<T>(p.gradient_scale * clip);
  const T penalty = static_cast<T>(p.weight_decay), lr = static_cast<T>(p.lr);
  const T momentum = static_cast<T>(p.momentum);
  // the step is lr * (own d + ahead b)
  const T own = static_cast<T>(p.nesterov ? 1 : 0),
          ahead = static_cast<T>(p.nesterov ? p.momentum : 1);
  parallel_chunks(p.n, 1 << 14, [=](int64_t begin, int64_t end) {
    if (!b) {
      for (int64_t i = begin; i < end; ++i) w[i] -= lr * (g[i] * scale + penalty * w[i]);
      return;
    }
    for (int64_t i = begin; i < end; ++i) {
      const T d = g[i] * scale + penalty * w[i];
      b[i] = momentum * b[i] + d;
      w[i] -= lr * (own * d + ahead * b[i]);
    }
  });
}

}  // namespace

void sgd(const Sgd& p, Stream) {
  visit<float, double>(p.dtype, "sgd", [&]<typename T>() { update<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
