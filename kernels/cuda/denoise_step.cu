// One step of the reverse process, in one pass; the noise is drawn here or read.
#include "kernels/denoise_step.h"

#include <cmath>

#include "kernels/cuda/device/noise.cuh"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Denoise {
  using A = Accumulator<T>;
  const T *x_t, *model;  // (N, E)  (N, E), or with twice the channels
  const float* limit;    // (N), or null
  T *x, *x0;             // (N, E); null where not wanted
  T* memory;             // (memories, N, E)
  int64_t E, C, all;     // all: N E
  Divisor by_C;
  NoiseScale scale;
  bool noisy;
  A x0_x, x0_model, clip;        // x0 = clamp(x0_x x_t + x0_model model, -clip, clip)
  A x_x0, x_x, x_model;          // x = x_x0 x0 + x_x x_t + x_model model + deviation noise
  A x_memory[kMemories];         //     + sum_j x_memory[j] memory[j]
  int keep;                      // memory[keep], if not negative, is made of the same with these:
  A keep_x0, keep_x, keep_model, keep_memory[kMemories];
  A sigma, log_middle, log_reach;  // the deviation: sigma, sqrt(v) or e^(middle + reach v)

  template <int N>
  __device__ void run(int64_t n, int64_t i, const Pack<A, N>& z) const {
    const int64_t at = n * E + i;
    // The model's output for channel c of a pixel, and behind all C of them what it says about the variance.
    const T* said = model + at + (scale == NoiseScale::fixed ? 0 : by_C.divide(at).quotient * C);
    const Pack<T, N> noised = load_pack<N>(x_t + at), output = load_pack<N>(said);
    const A bound = limit ? A(limit[n]) : clip, unit = limit ? A(1) / bound : A(1);
    Pack<A, N> clean, mean;
    for (int k = 0; k < N; ++k) {
      const A from = A(noised.v[k]), m = A(output.v[k]), free = x0_x * from + x0_model * m;
      const A above = free < -bound ? -bound : free;  // NaN stays
      clean.v[k] = (bound < above ? bound : above) * unit;
      mean.v[k] = x_x0 * clean.v[k] + x_x * from + x_model * m;
    }
    if (x0) store(x0 + at, clean);
    if (!x) return;
    add_memories(x_memory, at, mean);
    if (keep >= 0) {
      Pack<A, N> kept;
      for (int k = 0; k < N; ++k)
        kept.v[k] = keep_x0 * clean.v[k] + keep_x * A(noised.v[k]) + keep_model * A(output.v[k]);
      add_memories(keep_memory, at, kept);
      store(memory + keep * all + at, kept);
    }
    if (noisy) {
      const Pack<T, N> variance = scale == NoiseScale::fixed ? output : load_pack<N>(said + C);
      for (int k = 0; k < N; ++k) mean.v[k] += deviation(A(variance.v[k])) * z.v[k];
    }
    store(x + at, mean);
  }

  template <int N>
  __device__ __forceinline__ void add_memories(const A* coefficients, int64_t at, Pack<A, N>& sum) const {
    for (int j = 0; j < kMemories; ++j) {
      if (coefficients[j] == A(0)) continue;
      const Pack<T, N> remembered = load_pack<N>(memory + j * all + at);
      for (int k = 0; k < N; ++k) sum.v[k] += coefficients[j] * A(remembered.v[k]);
    }
  }

  __device__ __forceinline__ A deviation(A v) const {
    if (scale == NoiseScale::fixed || scale == NoiseScale::ignored) return sigma;
    return scale == NoiseScale::learned ? std::sqrt(v) : exp_of(log_middle + log_reach * v);
  }

  template <int N>
  __device__ __forceinline__ static void store(T* to, const Pack<A, N>& values) {
    Pack<T, N> out;
    for (int k = 0; k < N; ++k) out.v[k] = T(values.v[k]);
    store_pack(to, out);
  }
};

}  // namespace

void denoise_step(const DenoiseStep& p, Stream stream) {
  const DenoiseCoefficients& c = p.coefficients;
  const bool says_variance = c.scale != NoiseScale::fixed, learned = says_variance && c.scale != NoiseScale::ignored;
  visit<float, double, bfloat16>(p.dtype, "denoise_step", [&]<typename T>() {
    using A = Accumulator<T>;
    Denoise<T> body{
        .x_t = static_cast<const T*>(p.x_t),
        .model = static_cast<const T*>(p.model),
        .limit = p.limit,
        .x = static_cast<T*>(p.x),
        .x0 = static_cast<T*>(p.x0),
        .memory = static_cast<T*>(p.memory),
        .E = p.S * p.C,
        .C = p.C,
        .all = p.N * p.S * p.C,
        .by_C = Divisor(p.C),
        .scale = c.scale,
        .noisy = (p.noise.drawn || p.noise.values) && (learned || c.sigma != 0),
        .x0_x = static_cast<A>(c.x0_x),
        .x0_model = static_cast<A>(c.x0_model),
        .clip = static_cast<A>(c.clip),
        .x_x0 = static_cast<A>(c.x_x0),
        .x_x = static_cast<A>(c.x_x),
        .x_model = static_cast<A>(c.x_model),
        .keep = c.keep,
        .keep_x0 = static_cast<A>(c.keep_x0),
        .keep_x = static_cast<A>(c.keep_x),
        .keep_model = static_cast<A>(c.keep_model),
        .sigma = static_cast<A>(c.sigma),
        // half the logarithm of the variance: the average of both ends and a part of their distance
        .log_middle = static_cast<A>((c.log_large + c.log_small) / 4),
        .log_reach = static_cast<A>((c.log_large - c.log_small) / 4),
    };
    for (int j = 0; j < kMemories; ++j) {
      body.x_memory[j] = static_cast<A>(c.x_memory[j]);
      body.keep_memory[j] = static_cast<A>(c.keep_memory[j]);
    }
    NoiseSource noise = body.noisy && p.x ? p.noise : NoiseSource{};  // nothing is drawn that is not used
    for_each_four<T>(p.N, body.E, says_variance ? p.C : body.E, noise, stream, body, body.x_t, body.model, body.x,
                     body.x0, body.memory);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
