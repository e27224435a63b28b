#include "diffusion/ddpm.h"

#include <algorithm>
#include <cmath>

namespace imago::diffusion {

DDPMScheduler::DDPMScheduler(SchedulerConfig c) : Scheduler("DDPMScheduler", std::move(c)) {
  set_every_timestep();
}

// Equation 7, the mean and the variance of q(x_{t-1} | x_t, x_0):
//   x_{t-1} = sqrt(alpha_bar_{t-1}) beta_t / (1 - alpha_bar_t) x_0
//           + sqrt(alpha_t) (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) x_t + sigma_t z
//   beta_tilde_t = (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t
// Where steps are left out, alpha_t is the ratio of the two alpha_bar. All of it in float, as the
// tables are. There is noise everywhere but at t = 0.
void DDPMScheduler::plan_step(size_t k, const StepOptions&, SamplingStep& step) const {
  const double previous = next_timestep(k);
  const float bar = alpha_bar(step.t), bar_previous = previous >= 0 ? alpha_bar(previous) : 1.0f;
  const float alpha = bar / bar_previous, beta = 1 - alpha;
  DenoiseCoefficients& c = step.update;
  predict_x0(config().prediction_type, std::sqrt(bar), std::sqrt(1 - bar), c);
  c.x_x0 = std::sqrt(bar_previous) * beta / (1 - bar);
  c.x_x = std::sqrt(alpha) * (1 - bar_previous) / (1 - bar);

  const float beta_tilde = std::max((1 - bar_previous) / (1 - bar) * beta, 1e-20f);
  switch (config().variance_type) {
    case VarianceType::none:
    case VarianceType::fixed_small:
    case VarianceType::fixed_small_log:
      c.sigma = std::sqrt(beta_tilde);
      break;
    case VarianceType::fixed_large:
      c.sigma = std::sqrt(beta);
      break;
    case VarianceType::learned:
      c.scale = kernels::NoiseScale::learned;
      break;
    case VarianceType::learned_range:
      c.scale = kernels::NoiseScale::learned_range;
      c.log_small = std::log(beta_tilde), c.log_large = std::log(beta);
      break;
  }
  step.draws_noise = step.t > 0;
}

}  // namespace imago::diffusion
