// Depthwise convolution. Vectors run along the channels; the weights are turned to (KH, KW, C) for that.
#include "kernels/cpu/conv2d_depthwise.h"

#include <algorithm>

#include "kernels/cpu/scratch.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace conv2d {
namespace {

constexpr int64_t kBlock = 64;  // channels whose sums are kept at a time

// (rows, columns) -> (columns, rows)
template <typename T>
void transpose(const T* x, int64_t rows, int64_t columns, T* y) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) y[c * rows + r] = x[r * columns + c];
}

// Taps [first, last) for which 0 <= i*stride + tap - padding < extent.
struct Range {
  int64_t first, last;
};
Range taps_of_output(int64_t i, int64_t stride, int64_t padding, int64_t taps, int64_t extent) {
  return {std::max<int64_t>(0, padding - i * stride), std::min(taps, extent + padding - i * stride)};
}

// The output that input i reaches through `tap`, or -1.
int64_t output_of_input(int64_t i, int64_t tap, int64_t stride, int64_t padding, int64_t outputs) {
  const int64_t shifted = i + padding - tap;
  return shifted < 0 || shifted % stride || shifted / stride >= outputs ? -1 : shifted / stride;
}

}  // namespace

template <typename T>
void depthwise_forward(const Conv2dForward& p) {
  const Conv2dShape& s = p.shape;
  const int64_t C = s.C;
  const Scratch<T> turned(s.KH * s.KW * C);
  T* w = turned.get();  // (KH, KW, C)
  transpose(static_cast<const T*>(p.weight), C, s.KH * s.KW, w);
  parallel_for(s.N * s.HO, [&](int64_t row) {
    const int64_t n = row / s.HO, i = row % s.HO;
    const T* x = static_cast<const T*>(p.x) + n * s.H * s.W * C;  // (H, W, C)
    const T* channel_bias = p.channel_bias ? static_cast<const T*>(p.channel_bias) + n * C : nullptr;  // (C)
    const Range rows = taps_of_output(i, s.stride, s.top, s.KH, s.H);
    for (int64_t j = 0; j < s.WO; ++j) {
      const Range columns = taps_of_output(j, s.stride, s.left, s.KW, s.W);
      const int64_t at = (row * s.WO + j) * C;
      for (int64_t c0 = 0; c0 < C; c0 += kBlock) {
        const int64_t channels = std::min(kBlock, C - c0);
        T sums[kBlock] = {};
        for (int64_t r = rows.first; r < rows.last; ++r)
          for (int64_t t = columns.first; t < columns.last; ++t) {
            const T* xs = x + ((i * s.stride + r - s.top) * s.W + j * s.stride + t - s.left) * C + c0;
            const T* ws = w + (r * s.KW + t) * C + c0;
            for (int64_t c = 0; c < channels; ++c) sums[c] += xs[c] * ws[c];
          }
        const auto add = [&](const T* values) {
          for (int64_t c = 0; c < channels; ++c) sums[c] += values[c];
        };
        if (p.bias) add(static_cast<const T*>(p.bias) + c0);
        if (channel_bias) add(channel_bias + c0);
        if (p.residual) add(static_cast<const T*>(p.residual) + at + c0);
        std::copy(sums, sums + channels, static_cast<T*>(p.y) + at + c0);
      }
    }
  });
}

template <typename T>
void depthwise_backward_input(const Conv2dBackwardInput& p) {
  const Conv2dShape& s = p.shape;
  const int64_t C = s.C;
  const Scratch<T> turned(s.KH * s.KW * C);
  T* w = turned.get();  // (KH, KW, C)
  transpose(static_cast<const T*>(p.weight), C, s.KH * s.KW, w);
  parallel_for(s.N * s.H, [&](int64_t row) {
    const T* dy = static_cast<const T*>(p.dy) + row / s.H * s.HO * s.WO * C;  // (HO, WO, C)
    T* dx = static_cast<T*>(p.dx) + row * s.W * C;                            // (W, C)
    std::fill(dx, dx + s.W * C, T(0));
    for (int64_t r = 0; r < s.KH; ++r) {
      const int64_t i = output_of_input(row % s.H, r, s.stride, s.top, s.HO);
      if (i < 0) continue;
      for (int64_t w_in = 0; w_in < s.W; ++w_in)
        for (int64_t t = 0; t < s.KW; ++t) {
          const int64_t j = output_of_input(w_in, t, s.stride, s.left, s.WO);
          if (j < 0) continue;
          const T* g = dy + (i * s.WO + j) * C;
          const T* ws = w + (r * s.KW + t) * C;
          for (int64_t c = 0; c < C; ++c) dx[w_in * C + c] += g[c] * ws[c];
        }
    }
  });
}

template <typename T>
void depthwise_backward_weight(const Conv2dBackwardWeight& p) {
  const Conv2dShape& s = p.shape;
  const int64_t C = s.C, taps = s.KH * s.KW;
  const int64_t parts = std::min<int64_t>(s.N, 16), images = (s.N + parts - 1) / parts;
  const Scratch<T> buffer(parts * taps * C);
  T* partial = buffer.get();  // (parts, KH, KW, C)
  parallel_for(parts, [&](int64_t part) {
    T* dw = partial + part * taps * C;  // (KH, KW, C)
    std::fill(dw, dw + taps * C, T(0));
    for (int64_t n = part * images; n < std::min(s.N, (part + 1) * images); ++n)
      for (int64_t i = 0; i < s.HO; ++i) {
        const Range rows = taps_of_output(i, s.stride, s.top, s.KH, s.H);
        for (int64_t j = 0; j < s.WO; ++j) {
          const Range columns = taps_of_output(j, s.stride, s.left, s.KW, s.W);
          const T* g = static_cast<const T*>(p.dy) + ((n * s.HO + i) * s.WO + j) * C;
          for (int64_t r = rows.first; r < rows.last; ++r)
            for (int64_t t = columns.first; t < columns.last; ++t) {
              const T* x = static_cast<const T*>(p.x) +
                           ((n * s.H + i * s.stride + r - s.top) * s.W + j * s.stride + t - s.left) * C;
              T* sum = dw + (r * s.KW + t) * C;
              for (int64_t c = 0; c < C; ++c) sum[c] += g[c] * x[c];
            }
        }
      }
  });
  T* dweight = static_cast<T*>(p.dweight);  // (C, KH, KW, 1)
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t c = 0; c < C; ++c) {
      double sum = 0;
      for (int64_t part = 0; part < parts; ++part) sum += partial[(part * taps + tap) * C + c];
      dweight[c * taps + tap] = static_cast<T>(sum);
    }
}

#define IMAGO_INSTANTIATE(T)                                             \
  template void depthwise_forward<T>(const Conv2dForward&);              \
  template void depthwise_backward_input<T>(const Conv2dBackwardInput&); \
  template void depthwise_backward_weight<T>(const Conv2dBackwardWeight&);
IMAGO_INSTANTIATE(float)
IMAGO_INSTANTIATE(double)
#undef IMAGO_INSTANTIATE

}  // namespace conv2d
}  // namespace imago::kernels::IMAGO_BACKEND
