#include "diffusion/sigma_scheduler.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "diffusion/noise_levels.h"

namespace imago::diffusion {

SigmaScheduler::SigmaScheduler(const char* class_name, SchedulerConfig c) : Scheduler(class_name, std::move(c)) {
  keep_a_little_signal();
  table_ = sigma_table(alphas_cumprod());
}

double SigmaScheduler::init_noise_sigma() const {
  const double largest = *std::max_element(sigmas().begin(), sigmas().end());
  return config().timestep_spacing == TimestepSpacing::leading ? std::hypot(largest, 1) : largest;
}

double SigmaScheduler::input_scale(size_t k) const { return 1 / std::sqrt(sigmas()[k] * sigmas()[k] + 1); }

double SigmaScheduler::final_sigma() const {
  return config().final_sigmas_type == FinalSigma::zero ? 0 : static_cast<double>(table_.front());
}

Scheduler::Timetable SigmaScheduler::timetable(int64_t n, std::optional<double>) const {
  const SchedulerConfig& c = config();
  Timetable out{spread_timesteps(n, c.num_train_timesteps, c.timestep_spacing, c.steps_offset, false)};
  for (const double t : out.timesteps) out.sigmas.push_back(sigma_at(table_, t));
  if (c.interpolation_type == Interpolation::log_linear)
    out.sigmas = exponential_sigmas(table_.back(), table_.front(), n + 1);
  const std::vector<double> configured =
      configured_sigmas(c, c.sigma_max.value_or(out.sigmas.front()), c.sigma_min.value_or(out.sigmas.back()), n);
  if (!configured.empty()) {
    out.sigmas = configured;
    for (size_t i = 0; i < configured.size(); ++i)
      out.timesteps[i] = static_cast<float>(timestep_of(table_, configured[i]));
  }
  out.sigmas.push_back(final_sigma());
  for (double& sigma : out.sigmas) sigma = static_cast<float>(sigma);
  if (c.timestep_type == TimestepType::continuous && c.prediction_type == PredictionType::v_prediction)
    for (size_t i = 0; i < out.timesteps.size(); ++i) out.timesteps[i] = std::log(out.sigmas[i]) / 4;
  return out;
}

Scheduler::Timetable SigmaScheduler::custom_timetable(std::vector<double> timesteps) const {
  const SchedulerConfig& c = config();
  IMAGO_CHECK(!c.use_karras_sigmas && !c.use_exponential_sigmas && !c.use_beta_sigmas,
              "set_custom_timesteps: a config with use_karras_sigmas, use_exponential_sigmas or use_beta_sigmas says "
              "itself where the steps are");
  IMAGO_CHECK(c.timestep_type != TimestepType::continuous,
              "set_custom_timesteps: a config with timestep_type continuous says itself where the steps are");
  Timetable out{std::move(timesteps)};
  for (const double t : out.timesteps) out.sigmas.push_back(static_cast<float>(sigma_at(table_, t)));
  out.sigmas.push_back(final_sigma());
  return out;
}

void SigmaScheduler::predict_x0_at(double sigma, double sigma_hat, DenoiseCoefficients& c) const {
  const double variance = sigma * sigma + 1;
  switch (config().prediction_type) {
    case PredictionType::v_prediction:
      c.x0_x = 1 / variance, c.x0_model = -sigma / std::sqrt(variance);
      break;
    default:  // epsilon and sample
      predict_x0(config().prediction_type, 1, sigma_hat, c);
  }
}

double churned(double sigma, size_t steps, const StepOptions& o) {
  const bool within = o.s_tmin <= sigma && sigma <= o.s_tmax;
  return sigma * (1 + (within ? std::min(o.s_churn / static_cast<double>(steps), std::numbers::sqrt2 - 1) : 0));
}

}  // namespace imago::diffusion
