// The sinusoidal embedding: one thread for a sine and the cosine of the same angle.
#include "kernels/timestep_embedding.h"

#include <cmath>

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/launch.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// Frequencies and angles are rounded to the type that is computed in, which is part of the definition (see
// kernels/cpu/timestep_embedding.cpp); exp, sin and cos are taken in double.
template <typename T, typename Step>
struct Embed {
  using A = Accumulator<T>;
  const Step* t;  // (N)
  T* y;           // (N, dim)
  int64_t dim, half;
  bool flip_sin_to_cos;
  A log_period, divisor, scale;
  Divisor columns;  // half, and a zero at the end of odd rows

  __device__ void operator()(int64_t at) const {
    const auto [n, i] = columns.divide(at);
    T* row = y + n * dim;
    if (i == half) {
      row[dim - 1] = T(0.0f);
      return;
    }
    const A exponent = -log_period * static_cast<A>(i) / divisor;
    const A frequency = static_cast<A>(exp(static_cast<double>(exponent)));
    const A product = static_cast<A>(t[n]) * frequency;
    const double angle = static_cast<double>(scale * product);
    row[(flip_sin_to_cos ? half : 0) + i] = T(static_cast<A>(sin(angle)));
    row[(flip_sin_to_cos ? 0 : half) + i] = T(static_cast<A>(cos(angle)));
  }
};

// The same for the logarithm of t and frequencies of the caller's.
template <typename T, typename Step>
struct EmbedLogarithm {
  using A = Accumulator<T>;
  const Step* t;         // (N)
  const T* frequencies;  // (half)
  T* y;                  // (N, 2 half)
  int64_t half;
  Divisor columns;  // half

  __device__ void operator()(int64_t at) const {
    const auto [n, i] = columns.divide(at);
    const A log_t = static_cast<A>(log(static_cast<double>(static_cast<A>(t[n]))));
    const A product = log_t * static_cast<A>(frequencies[i]);
    const double angle = static_cast<double>(2 * product * static_cast<A>(3.14159265358979323846));
    T* row = y + n * 2 * half;
    row[i] = T(static_cast<A>(sin(angle)));
    row[half + i] = T(static_cast<A>(cos(angle)));
  }
};

template <typename T, typename Step>
void embed_logarithm(const TimestepEmbedding& p, Stream stream) {
  const int64_t half = p.dim / 2;
  for_each(p.N * half, stream,
           EmbedLogarithm<T, Step>{.t = static_cast<const Step*>(p.t),
                                   .frequencies = static_cast<const T*>(p.frequencies),
                                   .y = static_cast<T*>(p.y),
                                   .half = half,
                                   .columns = Divisor(half)});
}

}  // namespace

void timestep_embedding(const TimestepEmbedding& p, Stream stream) {
  const int64_t half = p.dim / 2, columns = half + p.dim % 2;
  const TimestepEmbeddingOptions& o = p.options;
  visit<float, double, bfloat16>(p.dtype, "timestep_embedding", [&]<typename T>() {
    visit<int32_t, int64_t, float, double>(p.t_dtype, "timestep_embedding", [&]<typename Step>() {
      using A = Accumulator<T>;
      if (p.frequencies) return embed_logarithm<T, Step>(p, stream);
      const Embed<T, Step> body{
          .t = static_cast<const Step*>(p.t),
          .y = static_cast<T*>(p.y),
          .dim = p.dim,
          .half = half,
          .flip_sin_to_cos = o.flip_sin_to_cos,
          .log_period = static_cast<A>(std::log(o.max_period)),
          .divisor = static_cast<A>(static_cast<double>(half) - o.freq_shift),
          .scale = static_cast<A>(o.scale),
          .columns = Divisor(columns),
      };
      for_each(p.N * columns, stream, body);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
