// Denoising diffusion implicit models, Song et al. 2020 (arXiv:2010.02502).
#pragma once

#include "diffusion/scheduler.h"

namespace imago::diffusion {

class DDIMScheduler : public Scheduler {
 public:
  explicit DDIMScheduler(SchedulerConfig config = {}) : Scheduler(std::move(config)) {}
  const char* class_name() const override { return "DDIMScheduler"; }
  bool draws_noise(int64_t, double eta) const override { return eta > 0; }

 private:
  void set_coefficients(int64_t t, const StepOptions& options,
                        kernels::DenoiseCoefficients& c) const override;
};

}  // namespace imago::diffusion
