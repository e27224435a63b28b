#include "kernels/axpy.h"

#include "kernels/cuda/device/elementwise.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename X, typename T>
struct AddScaled {
  const X* x;
  T* y;
  Accumulator<T> a;

  template <int N>
  __device__ void run(int64_t i) const {
    const Pack<X, N> from = load_pack<N>(x + i);
    Pack<T, N> sum = load_pack<N>(y + i);
    for (int k = 0; k < N; ++k) sum.v[k] = T(Accumulator<T>(sum.v[k]) + a * Accumulator<T>(from.v[k]));
    store_pack(y + i, sum);
  }
};

template <typename X, typename T>
void add_scaled(const Axpy& p, Stream stream) {
  const AddScaled<X, T> body{static_cast<const X*>(p.x), static_cast<T*>(p.y), static_cast<Accumulator<T>>(p.a)};
  for_each_pack<T>(p.n, stream, body, body.x, body.y);
}

}  // namespace

void axpy(const Axpy& p, Stream stream) {
  if (p.x_dtype == DType::bf16 && p.dtype == DType::f32) return add_scaled<bfloat16, float>(p, stream);
  visit<float, double, bfloat16>(p.dtype, "axpy", [&]<typename T>() { add_scaled<T, T>(p, stream); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
