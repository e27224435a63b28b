#include "diffusion/dpm_solver.h"

#include <algorithm>
#include <cmath>

#include "diffusion/noise_levels.h"

namespace imago::diffusion {

DPMSolverMultistepScheduler::DPMSolverMultistepScheduler(SchedulerConfig c)
    : Scheduler("DPMSolverMultistepScheduler", std::move(c)) {
  keep_a_little_signal();
  table_ = sigma_table(alphas_cumprod());
}

NoiseLevel DPMSolverMultistepScheduler::level(double sigma) const {
  if (config().use_flow_sigmas) return {1 - sigma, sigma};
  const double alpha = 1 / std::sqrt(sigma * sigma + 1);
  return {alpha, sigma * alpha};
}

double DPMSolverMultistepScheduler::final_sigma() const {
  return config().final_sigmas_type == FinalSigma::zero ? 0 : static_cast<double>(table_.front());
}

// lambda falls as t rises, and where it is below lambda_min_clipped, the solver does not go.
int64_t DPMSolverMultistepScheduler::end_of_timesteps() const {
  const auto below = [&](float a) {
    return std::log(std::sqrt(a)) - std::log(std::sqrt(1 - a)) < static_cast<float>(config().lambda_min_clipped);
  };
  const auto all = alphas_cumprod();
  return config().num_train_timesteps - std::count_if(all.begin(), all.end(), below);
}

// As for other schedulers, but the last step ends at the last time step, instead of starting there.
std::vector<double> DPMSolverMultistepScheduler::spread(int64_t n) const {
  const SchedulerConfig& c = config();
  const int64_t end = end_of_timesteps();
  // Trailing steps may be fewer than n, others would come more than once.
  const int64_t least = c.timestep_spacing == TimestepSpacing::trailing  ? 1
                        : c.timestep_spacing == TimestepSpacing::leading ? n + 1
                                                                         : n;
  IMAGO_CHECK(end >= least, "set_timesteps: lambda_min_clipped must leave ", least, " time steps for n = ", n,
              " and timestep_spacing ", name_of(c.timestep_spacing), ", got ", end);
  std::vector<double> steps;
  if (c.timestep_spacing == TimestepSpacing::trailing) {
    const double ratio = static_cast<double>(c.num_train_timesteps) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) {
      const double t = std::nearbyint(static_cast<double>(end) - static_cast<double>(i) * ratio) - 1;
      if (t >= 0) steps.push_back(t);
    }
  } else {
    steps = c.timestep_spacing == TimestepSpacing::linspace
                ? spread_timesteps(n + 1, end, c.timestep_spacing, 0, true)
                : spread_timesteps(n + 1, end, c.timestep_spacing, c.steps_offset, true);
    steps.pop_back();
  }
  return steps;
}

Scheduler::Timetable DPMSolverMultistepScheduler::configured_timetable(int64_t n, std::optional<double> mu) const {
  const SchedulerConfig& c = config();
  const double max = table_.back(), min = table_.front();
  Timetable out;
  if (c.use_flow_sigmas) {
    const double shift = c.use_dynamic_shifting && mu ? std::exp(*mu) : c.flow_shift;
    const double N = static_cast<double>(c.num_train_timesteps);
    out.sigmas = linspace(1 - 1 / N, 0, n + 1);
    out.sigmas.pop_back();
    for (double& sigma : out.sigmas) {
      sigma = shifted(sigma, shift);
      out.timesteps.push_back(std::trunc(sigma * N));
    }
    return out;
  }
  out.sigmas = c.use_lu_lambdas ? exponential_sigmas(max, min, n) : configured_sigmas(c, max, min, n);
  // diffusers rounds some and leaves it to a conversion to integers to cut the others off. How far below an integer a
  // time step lies that is one but for the rounding of logarithms must not matter.
  constexpr double kRounding = 1e-3;
  const bool rounded =
      (c.use_karras_sigmas || c.use_lu_lambdas) && c.beta_schedule != BetaSchedule::squaredcos_cap_v2;
  for (const double sigma : out.sigmas) {
    const double t = timestep_of(table_, sigma);
    out.timesteps.push_back(rounded ? std::nearbyint(t) : std::trunc(t + kRounding));
  }
  return out;
}

Scheduler::Timetable DPMSolverMultistepScheduler::timetable(int64_t n, std::optional<double> mu) const {
  Timetable out = configured_timetable(n, mu);
  if (out.sigmas.empty()) return custom_timetable(spread(n));
  out.sigmas.push_back(final_sigma());
  for (double& sigma : out.sigmas) sigma = static_cast<float>(sigma);
  return out;
}

Scheduler::Timetable DPMSolverMultistepScheduler::custom_timetable(std::vector<double> timesteps) const {
  const SchedulerConfig& c = config();
  IMAGO_CHECK(!c.use_karras_sigmas && !c.use_exponential_sigmas && !c.use_beta_sigmas && !c.use_lu_lambdas &&
                  !c.use_flow_sigmas,
              "set_custom_timesteps: a config with use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas, "
              "use_lu_lambdas or use_flow_sigmas says itself where the steps are");
  Timetable out{std::move(timesteps)};
  for (const double t : out.timesteps) out.sigmas.push_back(static_cast<float>(sigma_at(table_, t)));
  out.sigmas.push_back(final_sigma());
  return out;
}

MultistepOutput multistep_output(const SchedulerConfig& config, const NoiseLevel& level) {
  if (integrates_x0(config.algorithm_type)) return {.x0 = 1};
  // What an x0 within limits leaves of x is the epsilon that goes with it.
  if (config.thresholding) return {.x0 = -level.alpha / level.sigma, .x = 1 / level.sigma};
  const Epsilon epsilon = epsilon_of(config.prediction_type, level.alpha, level.sigma);
  return {.x = epsilon.x, .model = epsilon.model};
}

void set_variance_channels(const SchedulerConfig& config, kernels::DenoiseCoefficients& c) {
  if (config.variance_type == VarianceType::learned || config.variance_type == VarianceType::learned_range)
    c.scale = kernels::NoiseScale::ignored;
}

void DPMSolverMultistepScheduler::plan_step(size_t k, const StepOptions& options, SamplingStep& step) const {
  const SchedulerConfig& c = config();
  const auto at = [&](size_t i) { return level(sigmas()[i]); };
  const int order = multistep_order(c, k, timesteps().size(), options.first_step);
  const MultistepLevels levels{.next = at(k + 1),
                               .now = at(k),
                               .last = order > 1 ? at(k - 1) : NoiseLevel{},
                               .before = order > 2 ? at(k - 2) : NoiseLevel{}};
  predict_x0(c.prediction_type, levels.now.alpha, levels.now.sigma, step.update);
  set_multistep(k, multistep_weights(c, order, levels), multistep_output(c, levels.now), step.update);
  set_variance_channels(c, step.update);
  step.draws_noise = is_stochastic(c.algorithm_type);
}

}  // namespace imago::diffusion
