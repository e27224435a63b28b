// Denoising diffusion probabilistic models, Ho et al. 2020 (arXiv:2006.11239).
#pragma once

#include "diffusion/scheduler.h"

namespace imago::diffusion {

class DDPMScheduler : public Scheduler {
 public:
  explicit DDPMScheduler(SchedulerConfig config = {}) : Scheduler(std::move(config)) {}
  const char* class_name() const override { return "DDPMScheduler"; }
  // Everywhere but at t = 0.
  bool draws_noise(int64_t t, double) const override { return t > 0; }

 private:
  void set_coefficients(int64_t t, const StepOptions& options,
                        kernels::DenoiseCoefficients& c) const override;
};

}  // namespace imago::diffusion
