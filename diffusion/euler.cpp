#include "diffusion/euler.h"

#include <cmath>

namespace imago::diffusion {

void euler_step(double sigma_hat, double sigma, double added, DenoiseCoefficients& c) {
  c.x_x = sigma / sigma_hat;
  c.x_x0 = 1 - c.x_x;
  c.sigma = added * (c.x_x + c.x_x0 * c.x0_x);  // the noise is in x, so also in its x0
}

void EulerDiscreteScheduler::plan_step(size_t k, const StepOptions& options, SamplingStep& step) const {
  const double sigma = sigmas()[k], sigma_hat = churned(sigma, sigmas().size() - 1, options);
  predict_x0_at(sigma, sigma_hat, step.update);
  const double added = options.s_noise * std::sqrt(sigma_hat * sigma_hat - sigma * sigma);
  euler_step(sigma_hat, sigmas()[k + 1], added, step.update);
  step.draws_noise = sigma_hat > sigma;
}

}  // namespace imago::diffusion
