// One step of the reverse process. DDPM (Ho et al. 2020, equation 7), DDIM (Song et al. 2020,
// equation 12) and plain mixing are the same kernel: each is linear in x_t, the model's output, the
// predicted x0 and the noise, and only clipping x0 in the middle keeps it from being one sum. The
// schedulers supply the coefficients.
#pragma once

#include <limits>

#include "kernels/noise.h"

namespace imago::kernels {

// How far the noise reaches. Nichol & Dhariwal 2021 (arXiv:2102.09672) let the model say it: C
// further channels of its output hold, element by element, the variance itself (learned) or v in
// [-1, 1], which interpolates between two logarithms of variances (learned_range, equation 15).
enum class NoiseScale : uint8_t { fixed, learned, learned_range };

struct DenoiseCoefficients {
  // x0 = clamp(x0_x x_t + x0_model model, -clip, clip)
  double x0_x = 0, x0_model = 1;
  double clip = std::numeric_limits<double>::infinity();
  // x = x_x0 x0 + x_x x_t + x_model model + sigma noise
  double x_x0 = 1, x_x = 0, x_model = 0;
  NoiseScale scale = NoiseScale::fixed;
  double sigma = 0;                     // fixed
  double log_small = 0, log_large = 0;  // learned_range: for v = -1 and for v = 1
};

struct DenoiseStep {
  const void *x_t, *model;  // (N, S, C)  (N, S, C), or (N, S, 2C) unless the scale is fixed
  const float* limit;       // (N), or null
  NoiseSource noise;        // (N, S, C)
  void *x, *x0;             // (N, S, C); null where not wanted
  int64_t N, S, C;
  DenoiseCoefficients coefficients;
  DType dtype;
};

struct DenoiseOptions {
  Noise noise = {};  // none: nothing is added
  bool want_x = true, want_x0 = false;
  // (N) f32: image n's x0 is clamped to [-limit[n], limit[n]] and divided by limit[n], in place of
  // coefficients.clip.
  Tensor limit = {};
};

struct DenoiseResult {
  Tensor x, x0;  // undefined where not wanted
};

// x_t is (N, ..., C), floating point; model has its shape, with 2C channels if the scale is learned.
DenoiseResult denoise_step(const Tensor& x_t, const Tensor& model,
                           const DenoiseCoefficients& coefficients,
                           const DenoiseOptions& options = {});

}  // namespace imago::kernels
