// The forward process of diffusion; the noise is drawn here or read.
#include "kernels/add_noise.h"

#include "kernels/cuda/noisy.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Noisy {
  using A = Accumulator<T>;
  const T* x0;  // (N, E)
  int64_t E;
  TimeSteps t;                 // (N)
  const float *alpha, *sigma;  // (T)
  NoisyOutputs<T> out;

  template <int N>
  __device__ void run(int64_t n, int64_t i, const Pack<A, N>& z) const {
    const Pack<T, N> stored = load_pack<N>(x0 + n * E + i);
    Pack<A, N> x;
    for (int k = 0; k < N; ++k) x.v[k] = A(stored.v[k]);
    const int64_t step = t[n];
    out.write(n * E + i, A(alpha[step]), A(sigma[step]), x, z);
  }
};

}  // namespace

void add_noise(const AddNoise& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "add_noise", [&]<typename T>() {
    const Noisy<T> body{static_cast<const T*>(p.x0), p.E, {p.t, p.t_dtype == DType::i32}, p.alpha, p.sigma,
                        {static_cast<T*>(p.x_t), static_cast<T*>(p.target), p.prediction}};
    for_each_four<T>(p.N, p.E, p.E, p.noise, stream, body, body.x0, body.out.x_t, body.out.target);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
