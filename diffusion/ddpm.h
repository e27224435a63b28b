// Denoising diffusion probabilistic models, Ho et al. 2020 (arXiv:2006.11239).
#pragma once

#include "diffusion/scheduler.h"

namespace imago::diffusion {

class DDPMScheduler : public Scheduler {
 public:
  explicit DDPMScheduler(SchedulerConfig config = {});

 private:
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;
};

}  // namespace imago::diffusion
