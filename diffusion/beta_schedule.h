// Noise schedules: how much noise each time step adds. Tables are float32, as those that trained
// models have learnt from.
#pragma once

#include <cstdint>
#include <vector>

namespace imago::diffusion {

enum class BetaSchedule : uint8_t {
  linear,         // Ho et al. 2020
  scaled_linear,  // linear in sqrt(beta): "quad" in the code of Ho et al., and latent diffusion's
                  // schedule
  squaredcos_cap_v2,  // the cosine schedule, Nichol & Dhariwal 2021 (arXiv:2102.09672), equation 17
  sigmoid,            // GeoDiff, Xu et al. 2022 (arXiv:2203.02923)
  laplace,            // Hang & Gu 2024 (arXiv:2407.03297)
  exp,                // alpha_bar = e^(-12 t), one of diffusers' for Heun's method
};

// beta_t for t = 0 .. steps - 1. The cosine, Laplace and exponential schedules follow from their
// alpha_bar and ignore both ends.
std::vector<float> make_betas(BetaSchedule schedule, double beta_start, double beta_end,
                              int64_t steps);

// alpha_bar_t = product of 1 - beta_s over s <= t, accumulated in double, each entry rounded to
// float.
std::vector<float> alphas_cumprod(const std::vector<float>& betas);

// Shifts and scales sqrt(alpha_bar) so that it ends at 0 and starts where it did: at the last step
// nothing is left of the image. Lin et al. 2023 (arXiv:2305.08891), algorithm 1.
std::vector<float> rescale_zero_snr(const std::vector<float>& betas);

}  // namespace imago::diffusion
