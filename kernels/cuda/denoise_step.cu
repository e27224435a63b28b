// One step of the reverse process, in one pass; the noise is drawn here or read.
#include "kernels/denoise_step.h"

#include <cmath>

#include "kernels/cuda/device/noise.cuh"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// The coefficients in the type that is computed in.
template <typename A>
struct Terms {
  A x0_x, x0_model, clip;          // x0 = clamp(x0_x x_t + x0_model model, -clip, clip)
  A x_x0, x_x, x_model;            // x = x_x0 x0 + x_x x_t + x_model model + deviation noise
  A x_memory[kMemories];           //     + sum_j x_memory[j] memory[j]
  int keep;                        // memory[keep], if not negative, is made of the same with these:
  A keep_x0, keep_x, keep_model, keep_memory[kMemories];
  A sigma, log_middle, log_reach;  // the deviation: sigma, sqrt(v) or e^(middle + reach v)
  NoiseScale scale;
  bool noisy;

  __host__ __device__ explicit Terms(const DenoiseCoefficients& c)
      : x0_x(static_cast<A>(c.x0_x)), x0_model(static_cast<A>(c.x0_model)), clip(static_cast<A>(c.clip)),
        x_x0(static_cast<A>(c.x_x0)), x_x(static_cast<A>(c.x_x)), x_model(static_cast<A>(c.x_model)), keep(c.keep),
        keep_x0(static_cast<A>(c.keep_x0)), keep_x(static_cast<A>(c.keep_x)),
        keep_model(static_cast<A>(c.keep_model)), sigma(static_cast<A>(c.sigma)),
        // half the logarithm of the variance: the average of both ends and a part of their distance
        log_middle(static_cast<A>((c.log_large + c.log_small) / 4)),
        log_reach(static_cast<A>((c.log_large - c.log_small) / 4)),
        scale(c.scale),
        noisy(c.draws_noise && (c.sigma != 0 || c.scale == NoiseScale::learned ||
                                c.scale == NoiseScale::learned_range)) {
    for (int j = 0; j < kMemories; ++j) {
      x_memory[j] = static_cast<A>(c.x_memory[j]);
      keep_memory[j] = static_cast<A>(c.keep_memory[j]);
    }
  }
};

// Where a thread has them from: the launch's arguments, or a plan in memory.
template <typename A>
struct GivenTerms {
  Terms<A> terms;
  __device__ __forceinline__ const Terms<A>& get() const { return terms; }
};
template <typename A>
struct PlannedTerms {
  const DenoiseCoefficients* plan;
  const uint32_t* step;  // from 1
  __device__ __forceinline__ Terms<A> get() const { return Terms<A>(plan[*step - 1]); }
};

template <typename T, typename Source>
struct Denoise {
  using A = Accumulator<T>;
  const T *x_t, *model;  // (N, E)  (N, E), or with twice the channels
  const float* limit;    // (N), or null
  T *x, *x0;             // (N, E); null where not wanted
  T* memory;             // (memories, N, E)
  int64_t E, C, all;     // all: N E
  Divisor by_C;
  bool says_variance, has_noise;
  Source source;

  template <int N>
  __device__ void run(int64_t n, int64_t i, const Pack<A, N>& z) const {
    const Terms<A>& c = source.get();
    const int64_t at = n * E + i;
    // The model's output for channel c of a pixel, and behind all C of them what it says about the variance.
    const T* said = model + at + (says_variance ? by_C.divide(at).quotient * C : 0);
    const Pack<T, N> noised = load_pack<N>(x_t + at), output = load_pack<N>(said);
    const A bound = limit ? A(limit[n]) : c.clip, unit = limit ? A(1) / bound : A(1);
    Pack<A, N> clean, mean;
    for (int k = 0; k < N; ++k) {
      const A from = A(noised.v[k]), m = A(output.v[k]), free = c.x0_x * from + c.x0_model * m;
      const A above = free < -bound ? -bound : free;  // NaN stays
      clean.v[k] = (bound < above ? bound : above) * unit;
      mean.v[k] = c.x_x0 * clean.v[k] + c.x_x * from + c.x_model * m;
    }
    if (x0) store(x0 + at, clean);
    if (!x) return;
    add_memories(c.x_memory, at, mean);
    if (c.keep >= 0) {
      Pack<A, N> kept;
      for (int k = 0; k < N; ++k)
        kept.v[k] = c.keep_x0 * clean.v[k] + c.keep_x * A(noised.v[k]) + c.keep_model * A(output.v[k]);
      add_memories(c.keep_memory, at, kept);
      store(memory + c.keep * all + at, kept);
    }
    if (c.noisy && has_noise) {
      const Pack<T, N> variance = says_variance ? load_pack<N>(said + C) : output;
      for (int k = 0; k < N; ++k) mean.v[k] += deviation(c, A(variance.v[k])) * z.v[k];
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

  __device__ __forceinline__ A deviation(const Terms<A>& c, A v) const {
    if (c.scale == NoiseScale::fixed || c.scale == NoiseScale::ignored) return c.sigma;
    return c.scale == NoiseScale::learned ? std::sqrt(v) : exp_of(c.log_middle + c.log_reach * v);
  }

  template <int N>
  __device__ __forceinline__ static void store(T* to, const Pack<A, N>& values) {
    Pack<T, N> out;
    for (int k = 0; k < N; ++k) out.v[k] = T(values.v[k]);
    store_pack(to, out);
  }
};

template <typename T, typename Source>
void launch(const DenoiseStep& p, bool noisy, Stream stream, const Source& source) {
  const bool says_variance = p.coefficients.scale != NoiseScale::fixed;
  const Denoise<T, Source> body{
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
      .says_variance = says_variance,
      .has_noise = p.noise.drawn || p.noise.values,
      .source = source,
  };
  const NoiseSource noise = noisy && p.x ? p.noise : NoiseSource{};  // nothing is drawn that is not used
  for_each_four<T>(p.N, body.E, says_variance ? p.C : body.E, noise, stream, body, body.x_t, body.model,
                   body.x, body.x0, body.memory);
}

}  // namespace

void denoise_step(const DenoiseStep& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "denoise_step", [&]<typename T>() {
    using A = Accumulator<T>;
    if (p.plan) return launch<T>(p, true, stream, PlannedTerms<A>{p.plan, p.step});
    const GivenTerms<A> given{Terms<A>(p.coefficients)};
    launch<T>(p, given.terms.noisy, stream, given);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
