// Denoising diffusion implicit models, Song et al. 2020 (arXiv:2010.02502).
#pragma once

#include "diffusion/scheduler.h"

namespace imago::diffusion {

class DDIMScheduler : public Scheduler {
 public:
  explicit DDIMScheduler(SchedulerConfig config = {});

 private:
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;
};

}  // namespace imago::diffusion
