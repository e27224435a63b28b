// A training batch from bytes. A thread has four neighbouring elements, which may lie in different rows of the image.
#include "kernels/noisy_images.h"

#include "kernels/cuda/noisy.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct FromBytes {
  using A = Accumulator<T>;
  const uint8_t* images;  // (M, H, W, C)
  const int64_t* rows;    // (N)
  int64_t H, W, C, E, top, left;
  Divisor out_W, by_C;
  bool flip;
  RandomKey flips;
  TimeSteps t;                 // (N)
  const float *alpha, *sigma;  // (T)
  NoisyOutputs<T> out;

  template <int N>
  __device__ void run(int64_t n, int64_t i, const Pack<A, N>& z) const {
    const int64_t m = rows[n], step = t[n];
    const bool mirror = flip && uniform_at(flips, static_cast<uint64_t>(m)) < 0.5f;
    Pack<A, N> x0;
#pragma unroll
    for (int k = 0; k < N; ++k) x0.v[k] = A(symmetric_pixel(byte_at(m, i + k, mirror)));
    out.write(n * E + i, A(alpha[step]), A(sigma[step]), x0, z);
  }

  // Element i of padded image m.
  __device__ __forceinline__ uint8_t byte_at(int64_t m, int64_t i, bool mirror) const {
    const auto [pixel, c] = by_C.divide_small(i);
    const auto [line, column] = out_W.divide_small(pixel);
    const int64_t y = line - top, x = column - left;
    if (y < 0 || y >= H || x < 0 || x >= W) return 0;
    return images[((m * H + y) * W + (mirror ? W - 1 - x : x)) * C + c];
  }
};

}  // namespace

void noisy_images(const NoisyImages& p, Stream stream) {
  const int64_t E = p.out_H * p.out_W * p.C;
  visit<float, double, bfloat16>(p.dtype, "noisy_images", [&]<typename T>() {
    const FromBytes<T> body{
        .images = p.images,
        .rows = p.rows,
        .H = p.H,
        .W = p.W,
        .C = p.C,
        .E = E,
        .top = (p.out_H - p.H) / 2,
        .left = (p.out_W - p.W) / 2,
        .out_W = Divisor(p.out_W),
        .by_C = Divisor(p.C),
        .flip = p.flip,
        .flips = p.flips,
        .t = {p.t, p.t_dtype == DType::i32},
        .alpha = p.alpha,
        .sigma = p.sigma,
        .out = {static_cast<T*>(p.x_t), static_cast<T*>(p.target), p.prediction},
    };
    for_each_four<T>(p.N, E, E, p.noise, stream, body, body.out.x_t, body.out.target);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
