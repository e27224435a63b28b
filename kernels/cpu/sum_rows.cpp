#include "kernels/sum_rows.h"

#include "kernels/cpu/channel_sums.h"

namespace imago::kernels::IMAGO_BACKEND {

void sum_rows(const SumRows& p, Stream) {
  visit<float, double>(p.dtype, "sum_rows", [&]<typename T>() {
    const T* x = static_cast<const T*>(p.x);
    T* y = static_cast<T*>(p.y);
    const Scratch<double> sums(p.C);
    const auto add = [=](auto at, auto* sum) { sum[0] += at.row(x); };
    parallel_channel_sums<1>(p.M, p.C, sums.get(), [&](int64_t begin, int64_t end, double* chunk) {
      channel_sums<1, T>(begin, end, p.C, chunk, add);
    });
    for (int64_t c = 0; c < p.C; ++c) y[c] = static_cast<T>(sums.get()[c]);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
