// A training batch from bytes. A thread has four neighbouring elements, which may lie in different rows of the image.
#include "kernels/noisy_images.h"

#include "kernels/cuda/noisy.cuh"
#include "kernels/cuda/picked_pixels.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct FromBytes {
  using A = Accumulator<T>;
  PickedPixels pixels;
  int64_t E;
  TimeSteps t;                 // (N)
  const float *alpha, *sigma;  // (T)
  NoisyOutputs<T> out;

  template <int N>
  __device__ void run(int64_t n, int64_t i, const Pack<A, N>& z) const {
    const PickedPixels::Image image = pixels.image(n);
    const int64_t step = t[n];
    Pack<A, N> x0;
#pragma unroll
    for (int k = 0; k < N; ++k) x0.v[k] = A(symmetric_pixel(pixels.byte(image, i + k)));
    out.write(n * E + i, A(alpha[step]), A(sigma[step]), x0, z);
  }
};

}  // namespace

void noisy_images(const NoisyImages& p, Stream stream) {
  const int64_t E = p.x0.out_H * p.x0.out_W * p.x0.C;
  visit<float, double, bfloat16>(p.dtype, "noisy_images", [&]<typename T>() {
    const FromBytes<T> body{
        .pixels = PickedPixels(p.x0),
        .E = E,
        .t = {p.t, p.t_dtype == DType::i32},
        .alpha = p.alpha,
        .sigma = p.sigma,
        .out = {static_cast<T*>(p.x_t), static_cast<T*>(p.target), p.prediction},
    };
    for_each_four<T>(p.x0.N, E, E, p.noise, stream, body, body.out.x_t, body.out.target);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
