// Pooling over NHWC: one thread for a pack of channels of one window, backward of one pixel, which collects from the
// windows that cover it.
#include "kernels/pool2d.h"

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/launch.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// Images as rows of packs, C packs to a pixel.
struct Windows {
  int64_t H, W, C, HO, WO;
  int kernel, stride;
  Divisor by_C, by_columns, by_rows;  // of y forward, of x backward

  Windows(const Pool2dShape& s, int64_t pack, int64_t rows, int64_t columns)
      : H(s.H), W(s.W), C(s.C / pack), HO(s.HO), WO(s.WO), kernel(static_cast<int>(s.kernel)),
        stride(static_cast<int>(s.stride)), by_C(C), by_columns(columns), by_rows(rows) {}

  // Forward: x's first pack in the window of y's pack i.
  __device__ int64_t first(int64_t i) const {
    const auto [pixel, c] = by_C.divide(i);
    const auto [line, wo] = by_columns.divide(pixel);
    const auto [n, ho] = by_rows.divide(line);
    return ((n * H + ho * stride) * W + wo * stride) * C + c;
  }

  // Backward: f(i, tap) for every pack i of y whose window covers x's pack j, in order; tap is the pixel's place in
  // that window.
  template <typename F>
  __device__ void collect(int64_t j, F f) const {
    const auto [pixel, c] = by_C.divide(j);
    const auto [line, w] = by_columns.divide(pixel);
    const auto [n, h] = by_rows.divide(line);
    const int row = static_cast<int>(h), column = static_cast<int>(w);
    const int last_ho = min(static_cast<int>(HO) - 1, row / stride);
    const int last_wo = min(static_cast<int>(WO) - 1, column / stride);
    for (int ho = first_cover(row); ho <= last_ho; ++ho)
      for (int wo = first_cover(column); wo <= last_wo; ++wo)
        f(((n * HO + ho) * WO + wo) * C + c, (row - ho * stride) * kernel + column - wo * stride);
  }
  __device__ int first_cover(int at) const { return at < kernel ? 0 : (at - kernel) / stride + 1; }
};

template <typename T, int N>
struct AvgForward {
  const Pack<T, N>* x;  // (N, H, W, C / N)
  Pack<T, N>* y;        // (N, HO, WO, C / N)
  Windows windows;

  __device__ void operator()(int64_t i) const {
    using A = Accumulator<T>;
    const Pack<T, N>* window = x + windows.first(i);
    const int kernel = windows.kernel;
    A sum[N] = {};
    for (int r = 0; r < kernel; ++r)
      for (int q = 0; q < kernel; ++q) {
        const Pack<T, N> tap = window[(r * windows.W + q) * windows.C];
        for (int k = 0; k < N; ++k) sum[k] += A(tap.v[k]);
      }
    const A inverse = A(1) / A(kernel * kernel);
    Pack<T, N> mean;
    for (int k = 0; k < N; ++k) mean.v[k] = T(sum[k] * inverse);
    y[i] = mean;
  }
};

template <typename T, int N>
struct AvgBackward {
  const Pack<T, N>* dy;  // (N, HO, WO, C / N)
  Pack<T, N>* dx;        // (N, H, W, C / N)
  Windows windows;

  __device__ void operator()(int64_t j) const {
    using A = Accumulator<T>;
    A sum[N] = {};
    const A inverse = A(1) / A(windows.kernel * windows.kernel);
    windows.collect(j, [&](int64_t i, int) {
      const Pack<T, N> gradient = dy[i];
      for (int k = 0; k < N; ++k) sum[k] += A(gradient.v[k]) * inverse;
    });
    Pack<T, N> out;
    for (int k = 0; k < N; ++k) out.v[k] = T(sum[k]);
    dx[j] = out;
  }
};

template <typename T, typename Index, int N>
struct MaxForward {
  const Pack<T, N>* x;    // (N, H, W, C / N)
  Pack<T, N>* y;          // (N, HO, WO, C / N)
  Pack<Index, N>* index;  // (N, HO, WO, C / N)
  Windows windows;

  __device__ void operator()(int64_t i) const {
    using A = Accumulator<T>;
    const Pack<T, N>* window = x + windows.first(i);
    Pack<T, N> best = window[0];
    int where[N] = {};
    for (int r = 0; r < windows.kernel; ++r)
      for (int q = 0; q < windows.kernel; ++q) {
        const Pack<T, N> tap = window[(r * windows.W + q) * windows.C];
        for (int k = 0; k < N; ++k) {
          const A value = A(tap.v[k]);
          const bool more = value > A(best.v[k]) || value != value;  // NaN is larger than any number
          best.v[k] = more ? tap.v[k] : best.v[k];
          where[k] = more ? r * windows.kernel + q : where[k];
        }
      }
    y[i] = best;
    Pack<Index, N> taps;
    for (int k = 0; k < N; ++k) taps.v[k] = static_cast<Index>(where[k]);
    index[i] = taps;
  }
};

template <typename T, typename Index, int N>
struct MaxBackward {
  const Pack<T, N>* dy;         // (N, HO, WO, C / N)
  const Pack<Index, N>* index;  // (N, HO, WO, C / N)
  Pack<T, N>* dx;               // (N, H, W, C / N)
  Windows windows;

  __device__ void operator()(int64_t j) const {
    using A = Accumulator<T>;
    A sum[N] = {};
    windows.collect(j, [&](int64_t i, int tap) {
      const Pack<T, N> gradient = dy[i];
      const Pack<Index, N> taps = index[i];
      for (int k = 0; k < N; ++k) sum[k] += taps.v[k] == static_cast<Index>(tap) ? A(gradient.v[k]) : A(0);
    });
    Pack<T, N> out;
    for (int k = 0; k < N; ++k) out.v[k] = T(sum[k]);
    dx[j] = out;
  }
};

template <int N, typename T>
const Pack<T, N>* packs(const void* p) { return static_cast<const Pack<T, N>*>(p); }
template <int N, typename T>
Pack<T, N>* packs(void* p) { return static_cast<Pack<T, N>*>(p); }

// Runs f.operator()<N>() with the channels in packs of N. Positions of 4 bytes, of windows above 16 x 16, are rare
// enough to be walked one by one.
template <typename T, typename Index, typename F>
void visit_channels(int64_t C, const void* x, const void* y, const void* index, F f) {
  if constexpr (sizeof(Index) == 1) visit_pack<T>(pack_width<T>(C, x, y, index), f);
  else f.template operator()<1>();
}

Windows forward_windows(const Pool2dShape& s, int N) { return Windows(s, N, s.HO, s.WO); }
Windows backward_windows(const Pool2dShape& s, int N) { return Windows(s, N, s.H, s.W); }

}  // namespace

void avg_pool2d_forward(const AvgPool2dForward& p, Stream stream) {
  const Pool2dShape& s = p.shape;
  visit<float, double, bfloat16>(p.dtype, "avg_pool2d", [&]<typename T>() {
    visit_channels<T, uint8_t>(s.C, p.x, p.y, nullptr, [&]<int N>() {
      const AvgForward<T, N> body{packs<N, T>(p.x), packs<N, T>(p.y), forward_windows(s, N)};
      for_each(s.N * s.HO * s.WO * (s.C / N), stream, body);
    });
  });
}

void avg_pool2d_backward(const AvgPool2dBackward& p, Stream stream) {
  const Pool2dShape& s = p.shape;
  visit<float, double, bfloat16>(p.dtype, "avg_pool2d", [&]<typename T>() {
    visit_channels<T, uint8_t>(s.C, p.dy, p.dx, nullptr, [&]<int N>() {
      const AvgBackward<T, N> body{packs<N, T>(p.dy), packs<N, T>(p.dx), backward_windows(s, N)};
      for_each(s.N * s.H * s.W * (s.C / N), stream, body);
    });
  });
}

void max_pool2d_forward(const MaxPool2dForward& p, Stream stream) {
  const Pool2dShape& s = p.shape;
  visit<float, double, bfloat16>(p.dtype, "max_pool2d", [&]<typename T>() {
    visit<uint8_t, int32_t>(p.index_dtype, "max_pool2d", [&]<typename Index>() {
      visit_channels<T, Index>(s.C, p.x, p.y, p.index, [&]<int N>() {
        const MaxForward<T, Index, N> body{packs<N, T>(p.x), packs<N, T>(p.y), packs<N, Index>(p.index),
                                           forward_windows(s, N)};
        for_each(s.N * s.HO * s.WO * (s.C / N), stream, body);
      });
    });
  });
}

void max_pool2d_backward(const MaxPool2dBackward& p, Stream stream) {
  const Pool2dShape& s = p.shape;
  visit<float, double, bfloat16>(p.dtype, "max_pool2d", [&]<typename T>() {
    visit<uint8_t, int32_t>(p.index_dtype, "max_pool2d", [&]<typename Index>() {
      visit_channels<T, Index>(s.C, p.dy, p.dx, p.index, [&]<int N>() {
        const MaxBackward<T, Index, N> body{packs<N, T>(p.dy), packs<N, Index>(p.index), packs<N, T>(p.dx),
                                            backward_windows(s, N)};
        for_each(s.N * s.H * s.W * (s.C / N), stream, body);
      });
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
