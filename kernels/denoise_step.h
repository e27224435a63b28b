// One step of the reverse process. DDPM (Ho et al. 2020, equation 7), DDIM (Song et al. 2020,
// equation 12), multistep solvers and plain mixing are the same kernel: each is linear in x_t, the
// model's output, the predicted x0, what was remembered of earlier steps and the noise, and only
// clipping x0 in the middle keeps it from being one sum. The schedulers supply the coefficients.
#pragma once

#include <limits>
#include <span>

#include "kernels/noise.h"

namespace imago::kernels {

// How far the noise reaches. Nichol & Dhariwal 2021 (arXiv:2102.09672) let the model say it: C
// further channels of its output hold, element by element, the variance itself (learned) or v in
// [-1, 1], which interpolates between two logarithms of variances (learned_range, equation 15).
// A model may say it and not be listened to (ignored): its output has those channels, and the noise
// reaches as far as with fixed.
enum class NoiseScale : uint8_t { fixed, learned, learned_range, ignored };

// Tensors of x_t's shape that a step may leave behind for the steps after it.
inline constexpr int kMemories = 4;

struct DenoiseCoefficients {
  // x0 = clamp(x0_x x_t + x0_model model, -clip, clip)
  double x0_x = 0, x0_model = 1;
  double clip = std::numeric_limits<double>::infinity();
  // x = x_x0 x0 + x_x x_t + x_model model + sum_j x_memory[j] memory[j] + sigma noise
  double x_x0 = 1, x_x = 0, x_model = 0, x_memory[kMemories] = {};
  // Afterwards, unless keep is negative,
  // memory[keep] = keep_x0 x0 + keep_x x_t + keep_model model + sum_j keep_memory[j] memory[j]
  int keep = -1;
  double keep_x0 = 0, keep_x = 0, keep_model = 0, keep_memory[kMemories] = {};
  NoiseScale scale = NoiseScale::fixed;
  double sigma = 0;                     // fixed, ignored
  double log_small = 0, log_large = 0;  // learned_range: for v = -1 and for v = 1
  bool draws_noise = true;              // false: none is added, even if some is given
};

struct DenoiseStep {
  const void *x_t, *model;  // (N, S, C)  (N, S, C), or (N, S, 2C) unless the scale is fixed
  const float* limit;       // (N), or null
  NoiseSource noise;        // (N, S, C)
  void *x, *x0;             // (N, S, C); null where not wanted
  void* memory;             // (up to kMemories, N, S, C), or null
  int64_t N, S, C;
  DenoiseCoefficients coefficients;
  // In the device's memory: those of all steps, and which one this is, from 1. Null: the above, which otherwise only
  // tell whether the model says the variance.
  const DenoiseCoefficients* plan;
  const uint32_t* step;
  DType dtype;
};

struct DenoiseOptions {
  Noise noise = {};  // none: nothing is added
  bool want_x = true, want_x0 = false;
  // (N) f32: image n's x0 is clamped to [-limit[n], limit[n]] and divided by limit[n], in place of
  // coefficients.clip.
  Tensor limit = {};
  Tensor memory = {};  // (M, N, ..., C), written in place; M as many as the coefficients speak of
  bool in_place = false;  // x is written over x_t
};

// The coefficients of all steps on the device, for a step that is captured in a graph.
struct DenoisePlan {
  explicit DenoisePlan(std::span<const DenoiseCoefficients> steps, Device device = default_device());

  Tensor coefficients;  // u8 (steps x sizeof(DenoiseCoefficients))
  Tensor step;          // i32 (1): the step at hand, from 1; next_timestep() counts it
  bool says_variance;   // whether the model does, in all steps: the scale is not fixed
  int memories = 0;     // the most that a step speaks of
};

// How many memories the coefficients speak of: 1 + the largest index.
int memories_of(const DenoiseCoefficients& coefficients);

struct DenoiseResult {
  Tensor x, x0;  // undefined where not wanted
};

// x_t is (N, ..., C), floating point; model has its shape, with 2C channels unless the
// scale is fixed.
DenoiseResult denoise_step(const Tensor& x_t, const Tensor& model,
                           const DenoiseCoefficients& coefficients,
                           const DenoiseOptions& options = {});
// The step of the plan that its counter is at.
DenoiseResult denoise_step(const Tensor& x_t, const Tensor& model, const DenoisePlan& plan,
                           const DenoiseOptions& options = {});

}  // namespace imago::kernels
