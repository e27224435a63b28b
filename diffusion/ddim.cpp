#include "diffusion/ddim.h"

#include <algorithm>
#include <cmath>

namespace imago::diffusion {

// Equation 12, with sigma_t of equation 16:
//   x_{t-1} = sqrt(alpha_bar_{t-1}) x_0 + sqrt(1 - alpha_bar_{t-1} - sigma_t^2) epsilon + sigma_t z
//   sigma_t^2 = eta^2 (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) (1 - alpha_bar_t / alpha_bar_{t-1})
// where t - 1 is num_train_timesteps / n further down, whatever the spacing. epsilon is the
// model's, unclipped, or else what the clipped x_0 leaves:
//   (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t)
void DDIMScheduler::set_coefficients(int64_t t, const StepOptions& options,
                                     kernels::DenoiseCoefficients& c) const {
  const int64_t n = static_cast<int64_t>(timesteps().size());
  const int64_t previous =
      custom_timesteps() ? next_timestep(t) : t - config().num_train_timesteps / n;
  const float bar = alpha_bar(t);
  const float bar_previous = previous >= 0               ? alpha_bar(previous)
                             : config().set_alpha_to_one ? 1.0f
                                                         : alpha_bar(0);
  const float variance = (1 - bar_previous) / (1 - bar) * (1 - bar / bar_previous);
  const double sigma = options.eta * std::sqrt(std::max(variance, 0.0f));
  const double alpha = std::sqrt(bar), noise_part = std::sqrt(1 - bar);
  const double direction = std::sqrt(std::max(1 - bar_previous - sigma * sigma, 0.0));
  c.x_x0 = std::sqrt(bar_previous);
  c.sigma = sigma;
  if (options.use_clipped_model_output) {
    c.x_x0 -= direction * alpha / noise_part;
    c.x_x = direction / noise_part;
    c.x_model = 0;
    return;
  }
  switch (config().prediction_type) {
    case PredictionType::epsilon:
      c.x_x = 0, c.x_model = direction;
      break;
    case PredictionType::sample:
      c.x_x = direction / noise_part, c.x_model = -direction * alpha / noise_part;
      break;
    case PredictionType::v_prediction:
      c.x_x = direction * noise_part, c.x_model = direction * alpha;
      break;
  }
}

}  // namespace imago::diffusion
