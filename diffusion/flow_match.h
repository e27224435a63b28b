// Flow matching, Lipman et al. 2022 (arXiv:2210.02747) and Liu et al. 2022 (arXiv:2209.03003): x = (1 - sigma) x_0 +
// sigma epsilon, the model says the direction epsilon - x_0, and Euler's method goes along it.
#pragma once

#include "diffusion/scheduler.h"

namespace imago::diffusion {

class FlowMatchEulerDiscreteScheduler : public Scheduler {
 public:
  explicit FlowMatchEulerDiscreteScheduler(SchedulerConfig config = default_config("FlowMatchEulerDiscreteScheduler"))
      : Scheduler("FlowMatchEulerDiscreteScheduler", std::move(config), Betas::none) {}
  bool integer_timesteps() const override { return false; }

 private:
  Timetable timetable(int64_t n, std::optional<double> mu) const override;
  Timetable custom_timetable(std::vector<double> timesteps) const override;
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;
};

}  // namespace imago::diffusion
