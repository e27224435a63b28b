// Pseudo numerical methods for diffusion models, Liu et al. 2022 (arXiv:2202.09778): three steps of a Runge-Kutta
// method, then a linear multistep method of fourth order.
#pragma once

#include "diffusion/scheduler.h"

namespace imago::diffusion {

class PNDMScheduler : public Scheduler {
 public:
  explicit PNDMScheduler(SchedulerConfig config = default_config("PNDMScheduler"))
      : Scheduler("PNDMScheduler", std::move(config)) {}

 private:
  Timetable timetable(int64_t n, std::optional<double> mu) const override;
  Timetable custom_timetable(std::vector<double> timesteps) const override;
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;

  // x at another time step is the one times x plus the other times epsilon, or what stands for it.
  struct Transfer {
    double x, model;
  };
  Transfer transfer(double from, double to) const;
  void plan_runge_kutta(size_t k, DenoiseCoefficients& c) const;
  void plan_multistep(size_t k, DenoiseCoefficients& c) const;

  size_t runge_kutta_calls() const { return config().skip_prk_steps ? 0 : 12; }
  double stride() const;  // time steps of training between two steps
};

}  // namespace imago::diffusion
