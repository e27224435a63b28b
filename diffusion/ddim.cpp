#include "diffusion/ddim.h"

#include <algorithm>
#include <cmath>

namespace imago::diffusion {

DDIMScheduler::DDIMScheduler(SchedulerConfig c) : Scheduler("DDIMScheduler", std::move(c)) { set_every_timestep(); }

// Equation 12, with sigma_t of equation 16:
//   x_{t-1} = sqrt(alpha_bar_{t-1}) x_0 + sqrt(1 - alpha_bar_{t-1} - sigma_t^2) epsilon + sigma_t z
//   sigma_t^2 = eta^2 (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) (1 - alpha_bar_t / alpha_bar_{t-1})
// where t - 1 is num_train_timesteps / n further down, whatever the spacing. epsilon is the
// model's, unclipped, or else what the clipped x_0 leaves:
//   (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t)
void DDIMScheduler::plan_step(size_t k, const StepOptions& options, SamplingStep& step) const {
  const int64_t stride = config().num_train_timesteps / static_cast<int64_t>(timesteps().size());
  const double previous = custom_timesteps() ? next_timestep(k) : step.t - static_cast<double>(stride);
  const float bar = alpha_bar(step.t);
  const float bar_previous = previous >= 0               ? alpha_bar(previous)
                             : config().set_alpha_to_one ? 1.0f
                                                         : alpha_bar(0);
  const float variance = (1 - bar_previous) / (1 - bar) * (1 - bar / bar_previous);
  const double sigma = options.eta * std::sqrt(std::max(variance, 0.0f));
  const double alpha = std::sqrt(bar), noise_part = std::sqrt(1 - bar);
  const double direction = std::sqrt(std::max(1 - bar_previous - sigma * sigma, 0.0));
  DenoiseCoefficients& c = step.update;
  predict_x0(config().prediction_type, alpha, noise_part, c);
  c.x_x0 = std::sqrt(bar_previous);
  c.sigma = sigma;
  step.draws_noise = options.eta > 0;
  if (options.use_clipped_model_output) {
    c.x_x0 -= direction * alpha / noise_part;
    c.x_x = direction / noise_part;
    return;
  }
  const Epsilon epsilon = epsilon_of(config().prediction_type, alpha, noise_part);
  c.x_x = direction * epsilon.x, c.x_model = direction * epsilon.model;
}

}  // namespace imago::diffusion
