// Euler's method, Karras et al. 2022 (arXiv:2206.00364), algorithm 2 without its second order.
#pragma once

#include "diffusion/sigma_scheduler.h"

namespace imago::diffusion {

class EulerDiscreteScheduler : public SigmaScheduler {
 public:
  explicit EulerDiscreteScheduler(SchedulerConfig config = default_config("EulerDiscreteScheduler"))
      : SigmaScheduler("EulerDiscreteScheduler", std::move(config)) {}

 private:
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;
};

// From sigma_hat to sigma along the line through x and x0, once c has the coefficients of x0:
//   x' = x + (x - x0) / sigma_hat (sigma - sigma_hat)
// `added` is the deviation of noise that x gets before that.
void euler_step(double sigma_hat, double sigma, double added, DenoiseCoefficients& c);

}  // namespace imago::diffusion
