#include "kernels/axpy.h"

#include "kernels/cuda/device/elementwise.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct AddScaled {
  const T* x;
  T* y;
  Accumulator<T> a;

  template <int N>
  __device__ void run(int64_t i) const {
    const Pack<T, N> from = load_pack<N>(x + i);
    Pack<T, N> sum = load_pack<N>(y + i);
    for (int k = 0; k < N; ++k) sum.v[k] = T(Accumulator<T>(sum.v[k]) + a * Accumulator<T>(from.v[k]));
    store_pack(y + i, sum);
  }
};

}  // namespace

void axpy(const Axpy& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "axpy", [&]<typename T>() {
    const AddScaled<T> body{static_cast<const T*>(p.x), static_cast<T*>(p.y), static_cast<Accumulator<T>>(p.a)};
    for_each_pack<T>(p.n, stream, body, body.x, body.y);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
