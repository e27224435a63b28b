#include "kernels/ema.h"

#include "kernels/cuda/device/elementwise.cuh"
#include "kernels/cuda/optim.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Average {
  const T* w;
  T* ema;
  Accumulator<T> rest;

  template <int N>
  __device__ void run(int64_t i) const {
    const Pack<T, N> value = load_pack<N>(w + i);
    Pack<T, N> average = load_pack<N>(ema + i);
    for (int k = 0; k < N; ++k) {
      average.v[k] = T(moved_average(Accumulator<T>(average.v[k]), Accumulator<T>(value.v[k]), rest));
    }
    store_pack(ema + i, average);
  }
};

}  // namespace

void ema(const Ema& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "ema", [&]<typename T>() {
    const Average<T> body{static_cast<const T*>(p.w), static_cast<T*>(p.ema),
                          static_cast<Accumulator<T>>(1 - p.decay)};
    for_each_pack<T>(p.n, stream, body, body.w, body.ema);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
