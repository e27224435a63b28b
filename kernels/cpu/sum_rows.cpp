#include "kernels/sum_rows.h"

#include "kernels/cpu/channel_sums.h"

namespace imago::kernels::IMAGO_BACKEND {

void sum_rows(const SumRows& p, Stream) {
  visit<float, double>(p.dtype, "sum_rows", [&]<typename T>() {
    const int64_t C = p.C;
    const T* x = static_cast<const T*>(p.x);
    T* y = static_cast<T*>(p.y);
    const Scratch<double> sums(C);
    parallel_channel_sums<1, T>(p.M, C, sums.get(), [=](int64_t row, T* acc) {
      for (int64_t c = 0; c < C; ++c) acc[c] += x[row * C + c];
    });
    for (int64_t c = 0; c < C; ++c) y[c] = static_cast<T>(sums.get()[c]);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
