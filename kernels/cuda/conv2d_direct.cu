// Convolution as it is defined: one thread for each element of the result, operands straight from global memory. The
// first rung of the ladder, the kernels for f64, and those for groups.
#include <algorithm>

#include "kernels/cuda/conv2d.cuh"
#include "kernels/cuda/device/sum_parts.cuh"

namespace imago::kernels::IMAGO_BACKEND::conv2d {
namespace {

// Position (n, i, j, c) of an element of a dense array (N, rows, columns, channels).
struct Position {
  int64_t n;
  int i, j, c;

  __device__ Position(int64_t index, int64_t rows, int64_t columns, int64_t channels)
      : n(index / channels / columns / rows),
        i(static_cast<int>(index / channels / columns % rows)),
        j(static_cast<int>(index / channels % columns)),
        c(static_cast<int>(index % channels)) {}
};

template <typename T>
struct Forward {
  const T *x, *weight, *bias, *channel_bias, *residual;
  T* y;
  Conv2dShape s;

  __device__ void operator()(int64_t index) const {
    const Position at(index, s.HO, s.WO, s.O);
    const int C = static_cast<int>(s.C / s.groups), O = static_cast<int>(s.O / s.groups);
    Accumulator<T> sum = 0;
    for (int r = 0; r < s.KH; ++r)
      for (int t = 0; t < s.KW; ++t) {
        const int64_t h = at.i * s.stride + r - s.top, w = at.j * s.stride + t - s.left;
        if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;
        const T* pixel = x + ((at.n * s.H + h) * s.W + w) * s.C + at.c / O * C;  // (C/groups)
        const T* tap = weight + ((at.c * s.KH + r) * s.KW + t) * C;              // (C/groups)
        for (int c = 0; c < C; ++c) sum += Accumulator<T>(pixel[c]) * Accumulator<T>(tap[c]);
      }
    if (bias) sum += Accumulator<T>(bias[at.c]);
    if (channel_bias) sum += Accumulator<T>(channel_bias[at.n * s.O + at.c]);
    if (residual) sum += Accumulator<T>(residual[index]);
    y[index] = T(sum);
  }
};

// The outputs that saw this input: those with i*stride + r - top = h for a tap r, and the like for columns.
template <typename T>
struct BackwardInput {
  const T *dy, *weight;
  T* dx;
  Conv2dShape s;

  __device__ void operator()(int64_t index) const {
    const Position at(index, s.H, s.W, s.C);
    const int C = static_cast<int>(s.C / s.groups), O = static_cast<int>(s.O / s.groups);
    const int group = at.c / C;
    Accumulator<T> sum = 0;
    for (int r = 0; r < s.KH; ++r)
      for (int t = 0; t < s.KW; ++t) {
        const int64_t i = at.i + s.top - r, j = at.j + s.left - t;  // times the stride
        if (i < 0 || i % s.stride || i / s.stride >= s.HO || j < 0 || j % s.stride || j / s.stride >= s.WO) continue;
        const T* pixel = dy + ((at.n * s.HO + i / s.stride) * s.WO + j / s.stride) * s.O + group * O;  // (O/groups)
        const T* tap = weight + ((group * O * s.KH + r) * s.KW + t) * C + at.c % C;
        for (int o = 0; o < O; ++o) sum += Accumulator<T>(pixel[o]) * Accumulator<T>(tap[o * s.KH * s.KW * C]);
      }
    dx[index] = T(sum);
  }
};

// One thread for each weight and each part of the output pixels.
template <typename T>
struct BackwardWeight {
  const T *dy, *x;
  Accumulator<T>* partial;  // (parts, O, KH, KW, C/groups)
  Conv2dShape s;
  int64_t pixels_per_part, size;  // of the weights

  __device__ void operator()(int64_t index) const {
    const Position at(index % size, s.KH, s.KW, s.C / s.groups);  // n: the output channel
    const int64_t pixels = s.N * s.HO * s.WO, begin = index / size * pixels_per_part;
    const int64_t end = begin + pixels_per_part < pixels ? begin + pixels_per_part : pixels;
    const int64_t channel = at.n / (s.O / s.groups) * (s.C / s.groups) + at.c;
    Accumulator<T> sum = 0;
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const int64_t n = pixel / s.WO / s.HO, h = pixel / s.WO % s.HO * s.stride + at.i - s.top;
      const int64_t w = pixel % s.WO * s.stride + at.j - s.left;
      if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;
      sum += Accumulator<T>(dy[pixel * s.O + at.n]) * Accumulator<T>(x[((n * s.H + h) * s.W + w) * s.C + channel]);
    }
    partial[index] = sum;
  }
};

}  // namespace

void direct_forward(const Conv2dForward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "conv2d", [&]<typename T>() {
    const auto in = [](const void* values) { return static_cast<const T*>(values); };
    const Forward<T> body{in(p.x), in(p.weight), in(p.bias), in(p.channel_bias), in(p.residual), static_cast<T*>(p.y),
                          p.shape};
    for_each(p.shape.N * p.shape.HO * p.shape.WO * p.shape.O, stream, body);
  });
}

void direct_backward_input(const Conv2dBackwardInput& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "conv2d_backward_input", [&]<typename T>() {
    const BackwardInput<T> body{static_cast<const T*>(p.dy), static_cast<const T*>(p.weight), static_cast<T*>(p.dx),
                                p.shape};
    for_each(p.shape.N * p.shape.H * p.shape.W * p.shape.C, stream, body);
  });
}

void direct_backward_weight(const Conv2dBackwardWeight& p, Stream stream) {
  const Conv2dShape& s = p.shape;
  const int64_t size = s.O * s.KH * s.KW * (s.C / s.groups), pixels = s.N * s.HO * s.WO;
  // Short sums, also for their accuracy, as long as there are not enough threads anyway.
  const int64_t per_part = divide_up(pixels, std::clamp<int64_t>((1 << 20) / size, 1, divide_up(pixels, 256)));
  const int64_t parts = divide_up(pixels, per_part);
  visit<float, double, bfloat16>(p.dtype, "conv2d_backward_weight", [&]<typename T>() {
    const Workspace<Accumulator<T>> partial(parts * size);
    for_each(parts * size, stream,
             BackwardWeight<T>{static_cast<const T*>(p.dy), static_cast<const T*>(p.x), partial.data(), s, per_part,
                               size});
    sum_parts<Accumulator<T>>(partial.data(), static_cast<Accumulator<T>*>(p.dweight), parts, size, stream);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND::conv2d
