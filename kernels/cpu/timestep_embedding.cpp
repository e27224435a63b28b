#include "kernels/timestep_embedding.h"

#include <cmath>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// Angles reach a thousand radians, where one bit of a frequency is 6e-5 of an angle. Trained models
// have learnt from frequencies and angles rounded to T, so the rounding is part of the definition;
// only exp, sin and cos are exact.
template <typename T, typename Step>
void embed(const TimestepEmbedding& p) {
  const int64_t dim = p.dim, half = dim / 2;
  const TimestepEmbeddingOptions& o = p.options;
  const Scratch<T> frequencies(half);
  T* f = frequencies.get();  // (half)
  const T log_period = static_cast<T>(std::log(o.max_period));
  const T divisor = static_cast<T>(static_cast<double>(half) - o.freq_shift);
  for (int64_t i = 0; i < half; ++i) {
    const T exponent = -log_period * static_cast<T>(i) / divisor;
    f[i] = static_cast<T>(std::exp(static_cast<double>(exponent)));
  }
  parallel_for(p.N, [=, &o](int64_t n) {
    const T t = static_cast<T>(static_cast<const Step*>(p.t)[n]);
    T* y = static_cast<T*>(p.y) + n * dim;  // (dim)
    T *sines = y + (o.flip_sin_to_cos ? half : 0), *cosines = y + (o.flip_sin_to_cos ? 0 : half);
    for (int64_t i = 0; i < half; ++i) {
      const T product = t * f[i];
      const double angle = static_cast<T>(o.scale) * product;
      sines[i] = static_cast<T>(std::sin(angle));
      cosines[i] = static_cast<T>(std::cos(angle));
    }
    if (dim % 2) y[dim - 1] = 0;
  });
}

// Here the rounded angles are those of ln t.
template <typename T, typename Step>
void embed_logarithm(const TimestepEmbedding& p) {
  constexpr T kPi = static_cast<T>(3.14159265358979323846);
  const int64_t half = p.dim / 2;
  parallel_for(p.N, [=](int64_t n) {
    const T* f = static_cast<const T*>(p.frequencies);  // (half)
    const T t = static_cast<T>(static_cast<const Step*>(p.t)[n]);
    const T log_t = static_cast<T>(std::log(static_cast<double>(t)));
    T* y = static_cast<T*>(p.y) + n * p.dim;  // (dim)
    for (int64_t i = 0; i < half; ++i) {
      const T product = log_t * f[i];
      const double angle = 2 * product * kPi;
      y[i] = static_cast<T>(std::sin(angle));
      y[half + i] = static_cast<T>(std::cos(angle));
    }
  });
}

}  // namespace

void timestep_embedding(const TimestepEmbedding& p, Stream) {
  visit<float, double>(p.dtype, "timestep_embedding", [&]<typename T>() {
    visit<int32_t, int64_t, float, double>(
        p.t_dtype, "timestep_embedding", [&]<typename Step>() {
          if (p.frequencies) return embed_logarithm<T, Step>(p);
          embed<T, Step>(p);
        });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
