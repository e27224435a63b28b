// What the samplers of Karras et al. 2022 (arXiv:2206.00364) have in common where the model was trained with betas: x
// is x_0 + sigma epsilon with sigma_t = sqrt((1 - alpha_bar_t) / alpha_bar_t), and time steps need not be integers. The
// model sees x / sqrt(sigma^2 + 1), which is the x_t that it was trained with.
#pragma once

#include "diffusion/scheduler.h"

namespace imago::diffusion {

class SigmaScheduler : public Scheduler {
 public:
  bool integer_timesteps() const override { return false; }
  double init_noise_sigma() const override;
  double input_scale(size_t k) const override;

 protected:
  SigmaScheduler(const char* class_name, SchedulerConfig config);
  Timetable timetable(int64_t n, std::optional<double> mu) const override;
  Timetable custom_timetable(std::vector<double> timesteps) const override;

  // x0 of x = x_0 + sigma epsilon. What the model was told is sigma; epsilon may reach as far as sigma_hat.
  void predict_x0_at(double sigma, double sigma_hat, DenoiseCoefficients& c) const;

 private:
  // Behind the last step.
  double final_sigma() const;

  std::vector<float> table_;  // sigma_t
};

// With gamma of algorithm 2, by which sigma rises before the step: sigma_hat = (1 + gamma) sigma.
double churned(double sigma, size_t steps, const StepOptions& options);

}  // namespace imago::diffusion
