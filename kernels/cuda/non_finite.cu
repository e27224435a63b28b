// One pass over memory that leaves one number on the device: blocks count, one block adds the counts up.
#include "kernels/non_finite.h"

#include "kernels/cuda/sums.cuh"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct NonFinite {
  const T* x;
  template <int N>
  __device__ double term(int64_t, int64_t i) const {
    const Pack<T, N> values = load_pack<N>(x + i);
    double count = 0;
    for (int k = 0; k < N; ++k) count += non_finite(Accumulator<T>(values.v[k]));
    return count;
  }
};

}  // namespace

void count_non_finite(const CountNonFinite& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "count_non_finite", [&]<typename T>() {
    const NonFinite<T> body{static_cast<const T*>(p.x)};
    row_sums<T>(1, p.n, 0, stream, body, StoreDouble{p.y}, body.x);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
