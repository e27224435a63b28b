// Pooling over NHWC, vectors along the channels. Forward, a task owns rows of y; backward, rows of x, whose pixels
// collect from the windows that cover them.
#include "kernels/pool2d.h"

#include <type_traits>

#include "kernels/cpu/lanes.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements of x in one task

// f(out, window) for each window: the first element of its pixel in y, and of its upper left pixel in x.
template <typename F>
void for_each_window(const Pool2dShape& s, F f) {
  const int64_t row = s.stride * s.W * s.C;
  parallel_chunks(s.N * s.HO, std::max<int64_t>(1, kGrain / row), [=](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const int64_t n = k / s.HO, i = k % s.HO;
      for (int64_t j = 0; j < s.WO; ++j)
        f((k * s.WO + j) * s.C, ((n * s.H + i * s.stride) * s.W + j * s.stride) * s.C);
    }
  });
}

// The windows along one axis that cover pixel i, [first, last), and those of the next pixel: without another division.
struct Cover {
  Cover(int64_t i, int64_t windows, const Pool2dShape& s)
      : first(i < s.kernel ? 0 : (i - s.kernel) / s.stride + 1), last(std::min(windows, i / s.stride + 1)) {}
  void move_to(int64_t i, int64_t windows, const Pool2dShape& s) {
    first += first * s.stride + s.kernel <= i;
    last += last < windows && last * s.stride <= i;
  }
  int64_t first, last;
};

// For each pixel of dx: f(pixel, window, tap, first) for every window that covers it, in order, or zeros; tap is
// the pixel's place in that window and first is true for the first one.
template <typename T, typename F>
void collect(const Pool2dShape& s, T* dx, F f) {
  const int64_t row = s.W * s.C;
  parallel_chunks(s.N * s.H, std::max<int64_t>(1, kGrain / row), [=](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const int64_t n = k / s.H, i = k % s.H;
      const Cover rows(i, s.HO, s);
      Cover columns(0, s.WO, s);
      for (int64_t j = 0; j < s.W; columns.move_to(++j, s.WO, s)) {
        T* pixel = dx + k * row + j * s.C;
        bool first = true;
        for (int64_t ho = rows.first; ho < rows.last; ++ho)
          for (int64_t wo = columns.first; wo < columns.last; ++wo, first = false) {
            const int64_t tap = (i - ho * s.stride) * s.kernel + (j - wo * s.stride);
            f(pixel, ((n * s.HO + ho) * s.WO + wo) * s.C, tap, first);
          }
        if (first) std::memset(pixel, 0, static_cast<size_t>(s.C) * sizeof(T));
      }
    }
  });
}

template <typename T>
void avg_forward(const AvgPool2dForward& p) {
  const Pool2dShape& s = p.shape;
  const int64_t C = s.C;
  const T inverse = T(1) / static_cast<T>(s.kernel * s.kernel);
  for_each_window(s, [=](int64_t out, int64_t window) {
    const T* x = static_cast<const T*>(p.x) + window;
    T* y = static_cast<T*>(p.y) + out;
    for (int64_t c = 0; c < C; ++c) y[c] = T(0);
    for (int64_t r = 0; r < s.kernel; ++r)
      for (int64_t q = 0; q < s.kernel; ++q) {
        const T* tap = x + (r * s.W + q) * C;
        for (int64_t c = 0; c < C; ++c) y[c] += tap[c];
      }
    for (int64_t c = 0; c < C; ++c) y[c] *= inverse;
  });
}

template <typename T>
void avg_backward(const AvgPool2dBackward& p) {
  const int64_t C = p.shape.C;
  const T inverse = T(1) / static_cast<T>(p.shape.kernel * p.shape.kernel);
  collect(p.shape, static_cast<T*>(p.dx), [=](T* dx, int64_t window, int64_t, bool first) {
    const T* dy = static_cast<const T*>(p.dy) + window;
    if (first) {
      for (int64_t c = 0; c < C; ++c) dx[c] = dy[c] * inverse;
    } else {
      for (int64_t c = 0; c < C; ++c) dx[c] += dy[c] * inverse;
    }
  });
}

// The maximum over the window at x, of the channels in one V, and the tap where it is: numbers as wide as T. Both stay
// in registers, and for a size kKernel that is known (0: it is not) there are no loops.
template <int kKernel, typename V, typename T, typename Tap>
inline void window_maximum(const T* x, const Pool2dShape& s, T* y, Tap* tap) {
  const int64_t kernel = kKernel ? kKernel : s.kernel;
  using Where = std::conditional_t<std::is_same_v<V, T>, Tap, decltype(V{} > V{})>;
  V best = load_as<V>(x);
  Where where{};
  for (int64_t r = 0; r < kernel; ++r)
    for (int64_t q = 0; q < kernel; ++q) {
      const V value = load_as<V>(x + (r * s.W + q) * s.C);
      const auto more = (value > best) | (value != value);
      best = more ? value : best;
      where = more ? Where{} + static_cast<Tap>(r * kernel + q) : where;
    }
  store_as(y, best);
  store_as(tap, where);
}

template <int kKernel, typename T, typename Index>
void max_forward(const MaxPool2dForward& p) {
  using Tap = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
  constexpr int64_t kTaps = 64;  // channels whose taps are narrowed together: that is what makes it vector code
  for_each_window(p.shape, [&](int64_t out, int64_t window) {
    for (int64_t c = 0; c < p.shape.C; c += kTaps) {
      const T* x = static_cast<const T*>(p.x) + window + c;
      T* y = static_cast<T*>(p.y) + out + c;
      Index* index = static_cast<Index*>(p.index) + out + c;
      Tap taps[kTaps];
      const int64_t count = std::min(kTaps, p.shape.C - c);
      for_lanes<T>(count, [&]<typename V>(int64_t i) { window_maximum<kKernel, V>(x + i, p.shape, y + i, taps + i); });
      for (int64_t i = 0; i < count; ++i) index[i] = static_cast<Index>(taps[i]);
    }
  });
}

template <typename T, typename Index>
void max_backward(const MaxPool2dBackward& p) {
  const int64_t C = p.shape.C;
  collect(p.shape, static_cast<T*>(p.dx), [=](T* dx, int64_t window, int64_t tap, bool first) {
    const T* dy = static_cast<const T*>(p.dy) + window;
    const Index* index = static_cast<const Index*>(p.index) + window;
    const Index here = static_cast<Index>(tap);
    if (first) {
#pragma GCC ivdep
      for (int64_t c = 0; c < C; ++c) dx[c] = index[c] == here ? dy[c] : T(0);
    } else {
#pragma GCC ivdep
      for (int64_t c = 0; c < C; ++c) dx[c] += index[c] == here ? dy[c] : T(0);
    }
  });
}

}  // namespace

void avg_pool2d_forward(const AvgPool2dForward& p, Stream) {
  visit<float, double>(p.dtype, "avg_pool2d", [&]<typename T>() { avg_forward<T>(p); });
}

void avg_pool2d_backward(const AvgPool2dBackward& p, Stream) {
  visit<float, double>(p.dtype, "avg_pool2d", [&]<typename T>() { avg_backward<T>(p); });
}

void max_pool2d_forward(const MaxPool2dForward& p, Stream) {
  visit<float, double>(p.dtype, "max_pool2d", [&]<typename T>() {
    visit<uint8_t, int32_t>(p.index_dtype, "max_pool2d", [&]<typename Index>() {
      p.shape.kernel == 2 ? max_forward<2, T, Index>(p) : max_forward<0, T, Index>(p);
    });
  });
}

void max_pool2d_backward(const MaxPool2dBackward& p, Stream) {
  visit<float, double>(p.dtype, "max_pool2d", [&]<typename T>() {
    visit<uint8_t, int32_t>(p.index_dtype, "max_pool2d", [&]<typename Index>() { max_backward<T, Index>(p); });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
