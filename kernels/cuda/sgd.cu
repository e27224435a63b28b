#include "kernels/sgd.h"

#include "kernels/cuda/device/elementwise.cuh"
#include "kernels/cuda/optim.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T, bool kMomentum>
struct Update {
  using A = Accumulator<T>;
  const T* g;
  T *w, *b;  // b is null without momentum
  double scale;
  NormClip clip;
  A penalty, lr, momentum;
  A own, ahead;  // the step is lr * (own d + ahead b)

  template <int N>
  __device__ void run(int64_t i) const {
    const A factor = clipped_scale<A>(scale, clip);
    const Pack<T, N> gradient = load_pack<N>(g + i);
    Pack<T, N> value = load_pack<N>(w + i), buffer;
    if constexpr (kMomentum) buffer = load_pack<N>(b + i);
    for (int k = 0; k < N; ++k) {
      const A old = A(value.v[k]), d = A(gradient.v[k]) * factor + penalty * old;
      A step = d;
      if constexpr (kMomentum) {
        const A moved = momentum * A(buffer.v[k]) + d;
        buffer.v[k] = T(moved);
        step = own * d + ahead * moved;
      }
      value.v[k] = T(old - lr * step);
    }
    if constexpr (kMomentum) store_pack(b + i, buffer);
    store_pack(w + i, value);
  }
};

template <typename T, bool kMomentum>
void update(const Sgd& p, Stream stream) {
  using A = Accumulator<T>;
  const Update<T, kMomentum> body{
      .g = static_cast<const T*>(p.g),
      .w = static_cast<T*>(p.w),
      .b = static_cast<T*>(p.momentum_buffer),
      .scale = p.gradient_scale,
      .clip = p.clip,
      .penalty = static_cast<A>(p.weight_decay),
      .lr = static_cast<A>(p.lr),
      .momentum = static_cast<A>(p.momentum),
      .own = static_cast<A>(p.nesterov ? 1 : 0),
      .ahead = static_cast<A>(p.nesterov ? p.momentum : 1),
  };
  for_each_pack<T>(p.n, stream, body, body.g, body.w, body.b);
}

}  // namespace

void sgd(const Sgd& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "sgd", [&]<typename T>() {
    p.momentum_buffer ? update<T, true>(p, stream) : update<T, false>(p, stream);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
