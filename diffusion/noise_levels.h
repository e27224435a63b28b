// Where sampling stops on its way: time steps among those of training, and noise levels sigma_t = sqrt((1 -
// alpha_bar_t) / alpha_bar_t), which is how the samplers of Karras et al. 2022 (arXiv:2206.00364) say it.
#pragma once

#include <span>
#include <vector>

#include "diffusion/scheduler_config.h"

namespace imago::diffusion {

// n numbers from a to b, both among them.
std::vector<double> linspace(double a, double b, int64_t n);

// n of N time steps, descending. linspace may fall between two; `rounded` puts an end to that, to even, as NumPy does.
std::vector<double> spread_timesteps(int64_t n, int64_t N, TimestepSpacing spacing, int64_t offset, bool rounded);

// sigma_t for each time step of training, in float as the tables of betas are.
std::vector<float> sigma_table(std::span<const float> alphas_cumprod);
// sigma at a time step that may lie between two.
double sigma_at(std::span<const float> table, double t);
// The time step of a sigma, interpolated in log(sigma).
double timestep_of(std::span<const float> table, double sigma);

// n sigmas from max to min.
// sigma^(1 / rho) falls evenly: Karras et al. 2022, equation 5.
std::vector<double> karras_sigmas(double max, double min, int64_t n, double rho = 7);
// log(sigma) falls evenly.
std::vector<double> exponential_sigmas(double max, double min, int64_t n);
// Quantiles of the distribution Beta(0.6, 0.6), which are densest at both ends: Lee et al. 2024 (arXiv:2407.12173).
std::vector<double> beta_sigmas(double max, double min, int64_t n);
// What config.use_karras_sigmas and its kind ask for; empty if none of the three is set.
std::vector<double> configured_sigmas(const SchedulerConfig& config, double max, double min, int64_t n);

// Moves flow matching's sigmas in [0, 1] towards 1: Esser et al. 2024 (arXiv:2403.03206), equation 23.
double shifted(double sigma, double shift);

}  // namespace imago::diffusion
