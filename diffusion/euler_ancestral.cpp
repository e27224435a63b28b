#include "diffusion/euler_ancestral.h"

#include <cmath>

#include "diffusion/euler.h"

namespace imago::diffusion {

// From sigma to sigma' by way of sigma_down: noise of deviation sigma_up leads up again, and the variance is that of
// the posterior,
//   sigma_up^2 = sigma'^2 (sigma^2 - sigma'^2) / sigma^2,  sigma_down^2 = sigma'^2 - sigma_up^2
void EulerAncestralDiscreteScheduler::plan_step(size_t k, const StepOptions&, SamplingStep& step) const {
  const double sigma = sigmas()[k], next = sigmas()[k + 1];
  const double up = next / sigma * std::sqrt(sigma * sigma - next * next), down = next * next / sigma;
  predict_x0_at(sigma, sigma, step.update);
  euler_step(sigma, down, 0, step.update);
  step.update.sigma = up;
  step.draws_noise = true;
}

}  // namespace imago::diffusion
