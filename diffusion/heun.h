// Heun's method, Karras et al. 2022 (arXiv:2206.00364), algorithm 1: a step of Euler's, corrected by the slope where it
// leads to.
#pragma once

#include "diffusion/sigma_scheduler.h"

namespace imago::diffusion {

class HeunDiscreteScheduler : public SigmaScheduler {
 public:
  explicit HeunDiscreteScheduler(SchedulerConfig config = default_config("HeunDiscreteScheduler"))
      : SigmaScheduler("HeunDiscreteScheduler", std::move(config)) {}

 private:
  Timetable timetable(int64_t n, std::optional<double> mu) const override;
  Timetable custom_timetable(std::vector<double> timesteps) const override;
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;
};

}  // namespace imago::diffusion
