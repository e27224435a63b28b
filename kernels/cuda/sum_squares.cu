// The global norm of the gradients, squared: blocks leave their sums, one block adds them. The result stays on the
// device, where the optimiser's kernel reads it.
#include "kernels/sum_squares.h"

#include "kernels/cuda/sums.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Squares {
  const T* x;
  template <int N>
  __device__ double term(int64_t, int64_t i) const {  // the square of a float is exact in double
    const Pack<T, N> values = load_pack<N>(x + i);
    double sum = 0;
    for (int k = 0; k < N; ++k) {
      const double value = static_cast<double>(Accumulator<T>(values.v[k]));
      sum += value * value;
    }
    return sum;
  }
};

}  // namespace

void sum_squares(const SumSquares& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "sum_squares", [&]<typename T>() {
    const Squares<T> body{static_cast<const T*>(p.x)};
    row_sums<T>(1, p.n, 0, stream, body, StoreDouble{p.y}, body.x);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
