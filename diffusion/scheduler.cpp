#include "diffusion/scheduler.h"

#include <algorithm>
#include <cmath>

#include "diffusion/noise_levels.h"
#include "kernels/noisy_images.h"

namespace imago::diffusion {
namespace {

std::vector<float> betas_of(const SchedulerConfig& c) {
  std::vector<float> betas(c.trained_betas.begin(), c.trained_betas.end());
  if (betas.empty()) betas = make_betas(c.beta_schedule, c.beta_start, c.beta_end, c.num_train_timesteps);
  return c.rescale_betas_zero_snr ? rescale_zero_snr(betas) : betas;
}

Tensor table(std::span<const float> values) {
  return Tensor::from<float>(values, {static_cast<int64_t>(values.size())});
}

// The same step for an x that is kept as the model sees it: x here is `now` times diffusers' x, and the next x `next`
// times.
void rescale(double now, double next, DenoiseCoefficients& c) {
  c.x0_x /= now, c.keep_x /= now, c.x_x /= now;
  for (double* to_next : {&c.x_x0, &c.x_x, &c.x_model, &c.sigma}) *to_next *= next;
  for (double& of_memory : c.x_memory) of_memory *= next;
}

}  // namespace

Scheduler::Scheduler(const char* class_name, SchedulerConfig config, Betas betas)
    : class_name_(class_name), config_(own_options(class_name, std::move(config))) {
  check({class_name, config_});
  if (betas == Betas::none) return;
  betas_ = betas_of(config_);
  alpha_bar_ = diffusion::alphas_cumprod(betas_);
  std::vector<float> signal, noise;
  for (const float a : alpha_bar_) signal.push_back(std::sqrt(a)), noise.push_back(std::sqrt(1 - a));
  signal_ = table(signal), noise_ = table(noise);
}

void Scheduler::keep_a_little_signal() {
  if (config_.rescale_betas_zero_snr) alpha_bar_.back() = 0x1p-24f;
}

void Scheduler::check_trains() const {
  IMAGO_CHECK(signal_.defined(), class_name(), ": does not train by time steps; EdmDenoiser trains models for EDM");
}

Tensor Scheduler::add_noise(const Tensor& x0, const Noise& noise, const Tensor& t) const {
  check_trains();
  return kernels::add_noise(x0, noise, t, signal_, noise_);
}

Tensor Scheduler::get_velocity(const Tensor& x0, const Noise& noise, const Tensor& t) const {
  check_trains();
  return kernels::velocity(x0, noise, t, signal_, noise_);
}

kernels::NoisyBatch Scheduler::noisy_batch(const Tensor& x0, const Noise& noise, const Tensor& t) const {
  check_trains();
  return kernels::noisy_batch(x0, noise, t, signal_, noise_, config_.prediction_type);
}

kernels::NoisyBatch Scheduler::noisy_batch(const PickedImages& x0, const Noise& noise, const Tensor& t) const {
  check_trains();
  return kernels::noisy_images(x0, noise, t, signal_, noise_, {.prediction = config_.prediction_type});
}

Scheduler::Timetable Scheduler::timetable(int64_t n, std::optional<double>) const {
  return {spread_timesteps(n, config_.num_train_timesteps, config_.timestep_spacing, config_.steps_offset, true)};
}

void Scheduler::set_timesteps(int64_t n, std::optional<double> mu) {
  const int64_t N = config_.num_train_timesteps;
  IMAGO_CHECK(1 <= n && (betas_.empty() || n <= N), "set_timesteps: n must be in [1, ", N, "], got ", n);
  Timetable table = timetable(n, mu);
  IMAGO_CHECK(betas_.empty() || table.timesteps.front() < static_cast<double>(N), "set_timesteps: steps_offset ",
              config_.steps_offset, " leads to time step ", table.timesteps.front(), ", the last one is ", N - 1);
  timesteps_ = std::move(table.timesteps), sigmas_ = std::move(table.sigmas);
  custom_timesteps_ = false;
}

void Scheduler::set_custom_timesteps(std::vector<double> timesteps) {
  const double N = static_cast<double>(config_.num_train_timesteps);
  IMAGO_CHECK(!timesteps.empty(), "set_custom_timesteps: timesteps must not be empty");
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const double above = i == 0 ? N : timesteps[i - 1], t = timesteps[i];
    IMAGO_CHECK(0 <= t && t < above, "set_custom_timesteps: timesteps must descend within [0, ", N, "), got ", t,
                i == 0 ? " first" : concat(" after ", above));
    IMAGO_CHECK(!integer_timesteps() || t == std::floor(t), "set_custom_timesteps: timesteps of a ", class_name(),
                " must be integers, got ", t);
  }
  Timetable table = custom_timetable(std::move(timesteps));
  timesteps_ = std::move(table.timesteps), sigmas_ = std::move(table.sigmas);
  custom_timesteps_ = true;
}

void Scheduler::set_every_timestep() {
  const int64_t N = config_.num_train_timesteps;
  timesteps_ = spread_timesteps(N, N, TimestepSpacing::leading, 0, true);
}

std::vector<SamplingStep> Scheduler::plan(const StepOptions& options) const {
  const size_t n = timesteps_.size();
  IMAGO_CHECK(n > 0, "plan: set_timesteps() must come first");
  IMAGO_CHECK(options.first_step < n, "plan: first_step must be below ", n, ", got ", options.first_step);
  std::vector<SamplingStep> steps;
  for (size_t k = options.first_step; k < n; ++k) {
    SamplingStep step{.t = timesteps_[k]};
    step.update.x0_model = step.update.x_x0 = 0;
    if (config_.clip_sample && !config_.thresholding) step.update.clip = config_.clip_sample_range;
    plan_step(k, options, step);
    if (!step.draws_noise) {
      step.update.sigma = 0;
      if (step.update.scale != kernels::NoiseScale::fixed) step.update.scale = kernels::NoiseScale::ignored;
    }
    rescale(input_scale(k), k + 1 < n ? input_scale(k + 1) : 1, step.update);
    steps.push_back(step);
  }
  return steps;
}

void predict_x0(PredictionType prediction, double alpha, double sigma, DenoiseCoefficients& c) {
  switch (prediction) {
    case PredictionType::epsilon:
      IMAGO_CHECK(alpha > 0,
                  "plan: nothing is left of the image at the first step, so a model cannot tell it by its epsilon; "
                  "rescale_betas_zero_snr goes with prediction_type v_prediction or sample");
      c.x0_x = 1 / alpha, c.x0_model = -sigma / alpha;
      break;
    case PredictionType::sample:
      c.x0_x = 0, c.x0_model = 1;
      break;
    case PredictionType::v_prediction:
      c.x0_x = alpha, c.x0_model = -sigma;
      break;
    case PredictionType::flow_prediction:  // x = (1 - sigma) x0 + sigma epsilon
      c.x0_x = 1, c.x0_model = -sigma;
      break;
  }
}

Epsilon epsilon_of(PredictionType prediction, double alpha, double sigma) {
  switch (prediction) {
    case PredictionType::epsilon: return {0, 1};
    case PredictionType::sample: return {1 / sigma, -alpha / sigma};
    case PredictionType::v_prediction: return {sigma, alpha};
    case PredictionType::flow_prediction: return {1, alpha};  // alpha = 1 - sigma
  }
  return {0, 1};
}

}  // namespace imago::diffusion
