// Euler's method with noise added behind every step, as DDPM's ancestral sampling has it (Ho et al. 2020); the
// "ancestral" samplers of the k-diffusion project.
#pragma once

#include "diffusion/sigma_scheduler.h"

namespace imago::diffusion {

class EulerAncestralDiscreteScheduler : public SigmaScheduler {
 public:
  explicit EulerAncestralDiscreteScheduler(SchedulerConfig config = default_config("EulerAncestralDiscreteScheduler"))
      : SigmaScheduler("EulerAncestralDiscreteScheduler", std::move(config)) {}

 private:
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;
};

}  // namespace imago::diffusion
