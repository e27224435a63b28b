#include "diffusion/edm_schedulers.h"

#include <cmath>

#include "diffusion/euler.h"
#include "diffusion/multistep.h"
#include "diffusion/noise_levels.h"
#include "diffusion/sigma_scheduler.h"

namespace imago::diffusion {

double EDMScheduler::init_noise_sigma() const { return std::hypot(*config().sigma_max, 1); }

Scheduler::Timetable EDMScheduler::timetable(int64_t n, std::optional<double>) const {
  const SchedulerConfig& c = config();
  Timetable out;
  out.sigmas = c.sigma_schedule == SigmaSchedule::karras ? karras_sigmas(*c.sigma_max, *c.sigma_min, n, c.rho)
                                                         : exponential_sigmas(*c.sigma_max, *c.sigma_min, n);
  for (double& sigma : out.sigmas) {
    sigma = static_cast<float>(sigma);
    out.timesteps.push_back(static_cast<float>(preconditioning(sigma).c_noise));
  }
  out.sigmas.push_back(c.final_sigmas_type == FinalSigma::zero ? 0 : out.sigmas.back());
  return out;
}

Scheduler::Timetable EDMScheduler::custom_timetable(std::vector<double>) const {
  fail("set_custom_timesteps: a ", class_name(), " goes by sigma_min, sigma_max and rho");
}

void EDMScheduler::predict_x0_at(double sigma, DenoiseCoefficients& c) const {
  const Preconditioning p = preconditioning(sigma);
  c.x0_x = p.c_skip;
  c.x0_model = config().prediction_type == PredictionType::v_prediction ? -p.c_out : p.c_out;
}

void EDMEulerScheduler::plan_step(size_t k, const StepOptions& options, SamplingStep& step) const {
  const double sigma = sigmas()[k], sigma_hat = churned(sigma, sigmas().size() - 1, options);
  predict_x0_at(sigma_hat, step.update);
  const double added = options.s_noise * std::sqrt(sigma_hat * sigma_hat - sigma * sigma);
  euler_step(sigma_hat, sigmas()[k + 1], added, step.update);
  step.draws_noise = sigma_hat > sigma;
}

void EDMDPMSolverMultistepScheduler::plan_step(size_t k, const StepOptions& options, SamplingStep& step) const {
  const SchedulerConfig& c = config();
  const auto at = [&](size_t i) { return NoiseLevel{1, sigmas()[i]}; };
  const int order = multistep_order(c, k, timesteps().size(), options.first_step);
  const MultistepLevels levels{.next = at(k + 1),
                               .now = at(k),
                               .last = order > 1 ? at(k - 1) : NoiseLevel{},
                               .before = order > 2 ? at(k - 2) : NoiseLevel{}};
  predict_x0_at(sigmas()[k], step.update);
  set_multistep(k, multistep_weights(c, order, levels), {.x0 = 1}, step.update);
  step.draws_noise = is_stochastic(c.algorithm_type);
}

}  // namespace imago::diffusion
