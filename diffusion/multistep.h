// One step of DPM-Solver (Lu et al. 2022, arXiv:2206.00927) or DPM-Solver++ (arXiv:2211.01095), from what the model
// said at the last few noise levels.
#pragma once

#include <array>
#include <cmath>

#include "diffusion/scheduler_config.h"
#include "kernels/denoise_step.h"

namespace imago::diffusion {

// x = alpha x_0 + sigma epsilon.
struct NoiseLevel {
  double alpha, sigma;
  double lambda() const { return std::log(alpha) - std::log(sigma); }  // infinite where sigma is zero
};

// The noise levels of a step: where it goes to, where it starts, and those of the steps before.
struct MultistepLevels {
  NoiseLevel next, now, last = {}, before = {};
};

// The next x is x times the first, plus output[j] times the model's output j steps ago, plus noise. An output is x_0 or
// epsilon, as the algorithm has it.
struct MultistepWeights {
  double x = 0, noise = 0;
  std::array<double, 3> output = {};
};
MultistepWeights multistep_weights(const SchedulerConfig& config, int order, const MultistepLevels& levels);

// The order of step k of n, when the run started at step `first`: there is nothing to look back at in the beginning,
// and looking back is unstable in a short run's end.
int multistep_order(const SchedulerConfig& config, size_t k, size_t n, size_t first);

// The output of this step: coefficients of x_0, x_t and the model's.
struct MultistepOutput {
  double x0 = 0, x = 0, model = 0;
};
// Step k, by its weights; the outputs before are in memories 0 and 1, and this one is kept for the steps after.
void set_multistep(size_t k, const MultistepWeights& weights, const MultistepOutput& output,
                   kernels::DenoiseCoefficients& c);

// Whether the algorithm integrates x0, and whether it draws noise.
bool integrates_x0(AlgorithmType type);
bool is_stochastic(AlgorithmType type);

}  // namespace imago::diffusion
