// A task owns a tile of one image, small enough for the first-level cache, and runs over it once
// per term.
#include "kernels/denoise_step.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/noise.h"
#include "kernels/cpu/scratch.h"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kTile = 2048;  // elements, at least one pixel

template <typename T>
void predict_x0(const DenoiseCoefficients& c, const T* x_t, const T* model, const float* limit,
                T* x0, int64_t n) {
  const T of_x = static_cast<T>(c.x0_x), of_model = static_cast<T>(c.x0_model);
  const T clip = limit ? static_cast<T>(*limit) : static_cast<T>(c.clip),
          unit = limit ? T(1) / clip : T(1);
  for (int64_t i = 0; i < n; ++i) {
    const T z = of_x * x_t[i] + of_model * model[i];
    x0[i] = std::min(std::max(z, -clip), clip) * unit;
  }
}

template <typename T>
void combine(const DenoiseCoefficients& c, const T* x_t, const T* model, const T* x0, T* x,
             int64_t n) {
  const T of_x0 = static_cast<T>(c.x_x0), of_x = static_cast<T>(c.x_x),
          of_model = static_cast<T>(c.x_model);
  for (int64_t i = 0; i < n; ++i) x[i] = of_x0 * x0[i] + of_x * x_t[i] + of_model * model[i];
}

// Adds what is remembered of earlier steps: `memory` (m, stride) holds this tile at its first `n` elements.
template <typename T>
void add_memories(const double* coefficients, const T* memory, int64_t stride, T* x, int64_t n) {
  for (int j = 0; j < kMemories; ++j) {
    if (coefficients[j] == 0) continue;
    const T of_memory = static_cast<T>(coefficients[j]);
    for (int64_t i = 0; i < n; ++i) x[i] += of_memory * memory[j * stride + i];
  }
}

// What memory[keep] is to become.
template <typename T>
void remember(const DenoiseCoefficients& c, const T* x_t, const T* model, const T* x0, const T* memory, int64_t stride,
              T* kept, int64_t n) {
  const T of_x0 = static_cast<T>(c.keep_x0), of_x = static_cast<T>(c.keep_x), of_model = static_cast<T>(c.keep_model);
  for (int64_t i = 0; i < n; ++i) kept[i] = of_x0 * x0[i] + of_x * x_t[i] + of_model * model[i];
  add_memories(c.keep_memory, memory, stride, kept, n);
}

// `v` is what the model says about the variance, for one pixel.
template <typename T>
void add_learned_noise(const DenoiseCoefficients& c, const T* v, const T* noise, T* x, int64_t C) {
  if (c.scale == NoiseScale::learned) {
    for (int64_t i = 0; i < C; ++i) x[i] += std::sqrt(v[i]) * noise[i];
    return;
  }
  // half the logarithm of the variance: the average of both ends and a part of their distance
  const T middle = static_cast<T>((c.log_large + c.log_small) / 4),
          reach = static_cast<T>((c.log_large - c.log_small) / 4);
  for (int64_t i = 0; i < C; ++i) x[i] += exp_of(middle + reach * v[i]) * noise[i];
}

// `count` pixels from `pixel` on, counted over the batch; they lie in image n.
template <typename T>
void step_tile(const DenoiseStep& p, int64_t n, int64_t pixel, int64_t count) {
  const DenoiseCoefficients& c = p.coefficients;
  const int64_t C = p.C, size = count * C;
  const bool says_variance = c.scale != NoiseScale::fixed, learned = says_variance && c.scale != NoiseScale::ignored;
  const int64_t stride = p.N * p.S * C;  // from one memory to the next
  const Scratch<T> scratch(4 * size);
  T *noise_buffer = scratch.get(), *x0_buffer = noise_buffer + size, *mean_buffer = x0_buffer + size,
    *kept_buffer = mean_buffer + size;                      // (size) each
  const T* x_t = static_cast<const T*>(p.x_t) + pixel * C;  // (count, C)
  const T* model =
      static_cast<const T*>(p.model) + pixel * (says_variance ? 2 * C : C);  // (count, C or 2C)
  T* x0 = p.x0 ? static_cast<T*>(p.x0) + pixel * C : x0_buffer;              // (count, C)
  T* memory = p.memory ? static_cast<T*>(p.memory) + pixel * C : nullptr;    // (memories, count, C)
  const T* variance = model + C;
  if (says_variance) {  // the first half of each pixel's channels, side by side
    for (int64_t s = 0; s < count; ++s)
      for (int64_t i = 0; i < C; ++i) mean_buffer[s * C + i] = model[s * 2 * C + i];
    model = mean_buffer;
  }
  predict_x0(c, x_t, model, p.limit ? p.limit + n : nullptr, x0, size);
  if (!p.x) return;
  T* x = static_cast<T*>(p.x) + pixel * C;  // (count, C)
  if (c.keep >= 0) remember(c, x_t, model, x0, memory, stride, kept_buffer, size);  // before x, which may be x_t
  combine(c, x_t, model, x0, x, size);
  add_memories(c.x_memory, memory, stride, x, size);
  if (c.keep >= 0) std::copy_n(kept_buffer, size, memory + c.keep * stride);
  if (!c.draws_noise || (!learned && c.sigma == 0)) return;
  const T* noise = noise_tile(p.noise, pixel * C, size, noise_buffer);  // (count, C)
  if (!noise) return;
  if (learned) {
    for (int64_t s = 0; s < count; ++s)
      add_learned_noise(c, variance + s * 2 * C, noise + s * C, x + s * C, C);
  } else {
    const T sigma = static_cast<T>(c.sigma);
    for (int64_t i = 0; i < size; ++i) x[i] += sigma * noise[i];
  }
}

}  // namespace

void denoise_step(const DenoiseStep& given, Stream) {
  DenoiseStep p = given;
  if (p.plan) p.coefficients = p.plan[*p.step - 1];
  const int64_t pixels = std::max<int64_t>(1, kTile / p.C),
                tiles = (p.S + pixels - 1) / pixels;  // of one image
  visit<float, double>(p.dtype, "denoise_step", [&]<typename T>() {
    parallel_for(p.N * tiles, [&](int64_t task) {
      const int64_t n = task / tiles, s = task % tiles * pixels;
      step_tile<T>(p, n, n * p.S + s, std::min(pixels, p.S - s));
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
