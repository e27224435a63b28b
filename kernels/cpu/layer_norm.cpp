#include "kernels/layer_norm.h"

#include <cmath>

#include "kernels/cpu/channel_sums.h"
#include "kernels/cpu/rows.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
void forward(const LayerNormForward& p) {
  const int64_t C = p.C;
  const T* weight = static_cast<const T*>(p.weight);
  const T* bias = static_cast<const T*>(p.bias);
  parallel_chunks(p.M, row_grain(C), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* x = static_cast<const T*>(p.x) + row * C;  // (C)
      T* y = static_cast<T*>(p.y) + row * C;              // (C)
      const T mean =
          static_cast<T>(row_sum<T>(C, [=](auto at) { return at(x); }) / static_cast<double>(C));
      const double square = row_sum<T>(C, [=](auto at) {  // second pass: no cancellation
        const auto d = at(x) - mean;
        return d * d;
      });
      const T rstd = static_cast<T>(1 / std::sqrt(square / static_cast<double>(C) + p.eps));
      for (int64_t c = 0; c < C; ++c) y[c] = (x[c] - mean) * rstd * weight[c] + bias[c];
      static_cast<T*>(p.mean)[row] = mean;
      static_cast<T*>(p.rstd)[row] = rstd;
    }
  });
}

// With g = dy * weight and both averages over the row:
//   dx = rstd * (g - mean(g) - xhat * mean(g * xhat)),  dweight = sum dy * xhat,  dbias = sum dy
template <typename T>
void backward_row(int64_t C, const T* dy, const T* x, const T* weight, T mean, T rstd, T* dx) {
  const double count = static_cast<double>(C);
  const T mean_g =
      static_cast<T>(row_sum<T>(C, [=](auto at) { return at(dy) * at(weight); }) / count);
  const T mean_gx = static_cast<T>(
      row_sum<T>(C, [=](auto at) { return at(dy) * at(weight) * ((at(x) - mean) * rstd); }) /
      count);
  for (int64_t c = 0; c < C; ++c)
    dx[c] = rstd * (dy[c] * weight[c] - mean_g - (x[c] - mean) * rstd * mean_gx);
}

template <typename T>
void backward(const LayerNormBackward& p) {
  const int64_t C = p.C;
  const T *x = static_cast<const T*>(p.x), *dy = static_cast<const T*>(p.dy);            // (M, C)
  const T *mean = static_cast<const T*>(p.mean), *rstd = static_cast<const T*>(p.rstd);  // (M)
  const T* weight = static_cast<const T*>(p.weight);                                     // (C)
  T* dx = static_cast<T*>(p.dx);                                                         // (M, C)
  const Scratch<double> sums(2 * C);
  parallel_channel_sums<2>(p.M, C, sums.get(), [=](int64_t begin, int64_t end, double* chunk_sums) {
    channel_sums<2, T>(begin, end, C, chunk_sums, [=](auto at, auto* sum) {
      const auto dy_at = at.row(dy);
      sum[0] += dy_at * ((at.row(x) - mean[at.s]) * rstd[at.s]);
      sum[1] += dy_at;
    });
    if (!dx) return;
    for (int64_t s = begin; s < end; ++s)
      backward_row(C, dy + s * C, x + s * C, weight, mean[s], rstd[s], dx + s * C);
  });
  for (int64_t c = 0; c < C; ++c) {
    if (p.dweight) static_cast<T*>(p.dweight)[c] = static_cast<T>(sums.get()[c]);
    if (p.dbias) static_cast<T*>(p.dbias)[c] = static_cast<T>(sums.get()[C + c]);
  }
}

}  // namespace

void layer_norm_forward(const LayerNormForward& p, Stream) {
  visit<float, double>(p.dtype, "layer_norm", [&]<typename T>() { forward<T>(p); });
}

void layer_norm_backward(const LayerNormBackward& p, Stream) {
  visit<float, double>(p.dtype, "layer_norm", [&]<typename T>() { backward<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
