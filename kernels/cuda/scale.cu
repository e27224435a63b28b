#include "kernels/scale.h"

#include "kernels/cuda/device/elementwise.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Affine {
  const T* x;
  T* y;
  Accumulator<T> factor, offset;

  template <int N>
  __device__ void run(int64_t i) const {
    Pack<T, N> values = load_pack<N>(x + i);
    for (int k = 0; k < N; ++k) values.v[k] = T(factor * Accumulator<T>(values.v[k]) + offset);
    store_pack(y + i, values);
  }
};

}  // namespace

void scale(const Scale& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "scale", [&]<typename T>() {
    const Affine<T> body{static_cast<const T*>(p.x), static_cast<T*>(p.y), static_cast<Accumulator<T>>(p.factor),
                         static_cast<Accumulator<T>>(p.offset)};
    for_each_pack<T>(p.n, stream, body, body.x, body.y);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
