// DPM-Solver and DPM-Solver++, Lu et al. 2022 (arXiv:2206.00927, arXiv:2211.01095): multistep methods of first to third
// order for the differential equation of sampling, of which the linear part is solved exactly.
#pragma once

#include "diffusion/multistep.h"
#include "diffusion/scheduler.h"

namespace imago::diffusion {

class DPMSolverMultistepScheduler : public Scheduler {
 public:
  explicit DPMSolverMultistepScheduler(SchedulerConfig config = default_config("DPMSolverMultistepScheduler"));

 private:
  Timetable timetable(int64_t n, std::optional<double> mu) const override;
  Timetable custom_timetable(std::vector<double> timesteps) const override;
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;

  NoiseLevel level(double sigma) const;
  double final_sigma() const;
  // Time steps from here on are not sampled from.
  int64_t end_of_timesteps() const;
  std::vector<double> spread(int64_t n) const;
  // The sigmas that the config asks for, and the time steps of these.
  Timetable configured_timetable(int64_t n, std::optional<double> mu) const;

  std::vector<float> table_;  // sigma_t
};

// The output that the solver goes by, as coefficients of x_0, x_t and the model's, of x = alpha x_0 + sigma epsilon.
MultistepOutput multistep_output(const SchedulerConfig& config, const NoiseLevel& level);
// A model that says the variance too has channels for it, which the solver passes over.
void set_variance_channels(const SchedulerConfig& config, kernels::DenoiseCoefficients& c);

}  // namespace imago::diffusion
