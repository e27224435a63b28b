// Sampling for models with the preconditioning of Karras et al. 2022 (arXiv:2206.00364), see diffusion/edm.h: by
// Euler's method, and by DPM-Solver++. The model is told log(sigma) / 4 for a time step, and sees c_in x.
#pragma once

#include "diffusion/edm.h"
#include "diffusion/scheduler.h"

namespace imago::diffusion {

class EDMScheduler : public Scheduler {
 public:
  bool integer_timesteps() const override { return false; }
  double init_noise_sigma() const override;
  double input_scale(size_t k) const override { return preconditioning(sigmas()[k]).c_in; }

 protected:
  EDMScheduler(const char* class_name, SchedulerConfig config)
      : Scheduler(class_name, std::move(config), Betas::none) {}
  Timetable timetable(int64_t n, std::optional<double> mu) const override;
  Timetable custom_timetable(std::vector<double> timesteps) const override;
  // x0 = c_skip x + c_out model
  void predict_x0_at(double sigma, DenoiseCoefficients& c) const;

 private:
  Preconditioning preconditioning(double sigma) const { return {sigma, config().sigma_data}; }
};

class EDMEulerScheduler : public EDMScheduler {
 public:
  explicit EDMEulerScheduler(SchedulerConfig config = default_config("EDMEulerScheduler"))
      : EDMScheduler("EDMEulerScheduler", std::move(config)) {}

 private:
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;
};

class EDMDPMSolverMultistepScheduler : public EDMScheduler {
 public:
  explicit EDMDPMSolverMultistepScheduler(SchedulerConfig config = default_config("EDMDPMSolverMultistepScheduler"))
      : EDMScheduler("EDMDPMSolverMultistepScheduler", std::move(config)) {}

 private:
  void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const override;
};

}  // namespace imago::diffusion
