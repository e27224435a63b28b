#include "diffusion/scheduler.h"

#include <algorithm>
#include <cmath>

#include "diffusion/ddim.h"
#include "diffusion/ddpm.h"
#include "kernels/noisy_images.h"

namespace imago::diffusion {
namespace {

void check(const SchedulerConfig& c) {
  IMAGO_CHECK(c.num_train_timesteps >= 1, "scheduler: num_train_timesteps must be at least 1, got ",
              c.num_train_timesteps);
  IMAGO_CHECK(c.trained_betas.empty() ||
                  static_cast<int64_t>(c.trained_betas.size()) == c.num_train_timesteps,
              "scheduler: trained_betas must have num_train_timesteps = ", c.num_train_timesteps,
              " entries, got ", c.trained_betas.size());
  IMAGO_CHECK(c.clip_sample_range > 0, "scheduler: clip_sample_range must be positive, got ",
              c.clip_sample_range);
  IMAGO_CHECK(c.dynamic_thresholding_ratio >= 0 && c.dynamic_thresholding_ratio <= 1,
              "scheduler: dynamic_thresholding_ratio must be in [0, 1], got ",
              c.dynamic_thresholding_ratio);
}

std::vector<float> betas_of(const SchedulerConfig& c) {
  for (const double beta : c.trained_betas)
    IMAGO_CHECK(0 < beta && beta < 1, "scheduler: trained_betas must be in (0, 1), got ", beta);
  std::vector<float> betas(c.trained_betas.begin(), c.trained_betas.end());
  if (betas.empty())
    betas = make_betas(c.beta_schedule, c.beta_start, c.beta_end, c.num_train_timesteps);
  return c.rescale_betas_zero_snr ? rescale_zero_snr(betas) : betas;
}

Tensor table(const std::vector<float>& alpha_bar, float (*f)(float)) {
  std::vector<float> values(alpha_bar.size());
  std::transform(alpha_bar.begin(), alpha_bar.end(), values.begin(), f);
  return Tensor::from<float>(values, {static_cast<int64_t>(values.size())});
}

// n steps among N, descending. All roundings are to even, as NumPy's.
std::vector<int64_t> spread(int64_t n, int64_t N, TimestepSpacing spacing, int64_t offset) {
  std::vector<int64_t> steps;
  const double ratio = static_cast<double>(N) / static_cast<double>(n);
  switch (spacing) {
    case TimestepSpacing::leading:
      for (int64_t i = n - 1; i >= 0; --i) steps.push_back(i * (N / n) + offset);
      break;
    case TimestepSpacing::linspace:
      for (int64_t i = n - 1; i >= 0; --i) {
        const double step = n > 1 ? static_cast<double>(N - 1) / static_cast<double>(n - 1) : 0;
        steps.push_back(static_cast<int64_t>(std::nearbyint(static_cast<double>(i) * step)));
      }
      break;
    case TimestepSpacing::trailing:
      for (int64_t i = 0; i < n; ++i)
        steps.push_back(static_cast<int64_t>(std::nearbyint(static_cast<double>(N) -
                                                            static_cast<double>(i) * ratio)) -
                        1);
      break;
  }
  return steps;
}

// x0 from x_t and the model's output: the forward process, solved for x0.
kernels::DenoiseCoefficients x0_coefficients(PredictionType prediction, float alpha_bar) {
  kernels::DenoiseCoefficients c;
  const float alpha = std::sqrt(alpha_bar), sigma = std::sqrt(1 - alpha_bar);
  switch (prediction) {
    case PredictionType::epsilon:
      c.x0_x = 1 / alpha, c.x0_model = -sigma / alpha;
      break;
    case PredictionType::sample:
      c.x0_x = 0, c.x0_model = 1;
      break;
    case PredictionType::v_prediction:
      c.x0_x = alpha, c.x0_model = -sigma;
      break;
  }
  return c;
}

// The q-quantile of |x|, interpolated between its neighbours.
float quantile_of_magnitude(std::span<const float> x, double q) {
  std::vector<float> magnitude(x.size());
  std::transform(x.begin(), x.end(), magnitude.begin(), [](float v) { return std::abs(v); });
  const double position = q * static_cast<double>(x.size() - 1);
  const auto low = magnitude.begin() + static_cast<int64_t>(position);
  std::nth_element(magnitude.begin(), low, magnitude.end());
  const float next =
      low + 1 == magnitude.end() ? *low : *std::min_element(low + 1, magnitude.end());
  return *low + static_cast<float>(position - std::floor(position)) * (next - *low);
}

}  // namespace

Scheduler::Scheduler(SchedulerConfig config) : config_(std::move(config)) {
  check(config_);
  betas_ = betas_of(config_);
  alpha_bar_ = diffusion::alphas_cumprod(betas_);
  sqrt_alpha_bar_ = table(alpha_bar_, [](float a) { return std::sqrt(a); });
  sqrt_one_minus_alpha_bar_ = table(alpha_bar_, [](float a) { return std::sqrt(1 - a); });
  timesteps_ =
      spread(config_.num_train_timesteps, config_.num_train_timesteps, TimestepSpacing::leading, 0);
}

Tensor Scheduler::add_noise(const Tensor& x0, const Noise& noise, const Tensor& t) const {
  return kernels::add_noise(x0, noise, t, sqrt_alpha_bar_, sqrt_one_minus_alpha_bar_);
}

Tensor Scheduler::get_velocity(const Tensor& x0, const Noise& noise, const Tensor& t) const {
  return kernels::velocity(x0, noise, t, sqrt_alpha_bar_, sqrt_one_minus_alpha_bar_);
}

kernels::NoisyBatch Scheduler::noisy_batch(const Tensor& x0, const Noise& noise,
                                           const Tensor& t) const {
  return kernels::noisy_batch(x0, noise, t, sqrt_alpha_bar_, sqrt_one_minus_alpha_bar_,
                              config_.prediction_type);
}

kernels::NoisyBatch Scheduler::noisy_batch(const PickedImages& x0, const Noise& noise,
                                           const Tensor& t) const {
  return kernels::noisy_images(x0, noise, t, sqrt_alpha_bar_, sqrt_one_minus_alpha_bar_,
                               {.prediction = config_.prediction_type});
}

void Scheduler::set_timesteps(int64_t n) {
  const int64_t N = config_.num_train_timesteps;
  IMAGO_CHECK(1 <= n && n <= N, "set_timesteps: n must be in [1, ", N, "], got ", n);
  std::vector<int64_t> steps = spread(n, N, config_.timestep_spacing, config_.steps_offset);
  IMAGO_CHECK(steps.front() < N, "set_timesteps: steps_offset ", config_.steps_offset,
              " leads to time step ", steps.front(), ", the last one is ", N - 1);
  timesteps_ = std::move(steps);
  custom_timesteps_ = false;
}

void Scheduler::set_custom_timesteps(std::vector<int64_t> timesteps) {
  const int64_t N = config_.num_train_timesteps;
  IMAGO_CHECK(!timesteps.empty(), "set_custom_timesteps: timesteps must not be empty");
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const int64_t above = i == 0 ? N : timesteps[i - 1];
    IMAGO_CHECK(0 <= timesteps[i] && timesteps[i] < above,
                "set_custom_timesteps: timesteps must descend within [0, ", N, "), got ",
                timesteps[i], i == 0 ? " first" : concat(" after ", above));
  }
  timesteps_ = std::move(timesteps);
  custom_timesteps_ = true;
}

int64_t Scheduler::next_timestep(int64_t t) const {
  const auto here = std::find(timesteps_.begin(), timesteps_.end(), t);
  IMAGO_CHECK(here != timesteps_.end(), "step: t must be one of the ", timesteps_.size(),
              " steps that were set, got ", t);
  return here + 1 == timesteps_.end() ? -1 : here[1];
}

StepResult Scheduler::step(const Tensor& model, int64_t t, const Tensor& x_t,
                           const StepOptions& options) const {
  IMAGO_CHECK(0 <= t && t < config_.num_train_timesteps, "step: t must be in [0, ",
              config_.num_train_timesteps, "), got ", t);
  IMAGO_CHECK(config_.prediction_type != PredictionType::epsilon || alpha_bar(t) > 0,
              "step: nothing is left of the image at t = ", t,
              ", so a model cannot tell it by its epsilon; "
              "rescale_betas_zero_snr goes with v_prediction or sample");
  const bool noisy = draws_noise(t, options.eta);
  IMAGO_CHECK(!noisy || options.noise.given(), "step: the step at t = ", t, " needs noise");
  kernels::DenoiseCoefficients c = x0_coefficients(config_.prediction_type, alpha_bar(t));
  if (config_.clip_sample && !config_.thresholding) c.clip = config_.clip_sample_range;
  set_coefficients(t, options, c);
  return kernels::denoise_step(
      x_t, model, c,
      {.noise = noisy ? options.noise : Noise(),
       .want_x0 = options.want_x0,
       .limit = config_.thresholding ? threshold(model, x_t, c) : Tensor()});
}

// Each image's own limit: the quantile of its |x0|, at least 1.
Tensor Scheduler::threshold(const Tensor& model, const Tensor& x_t,
                            const kernels::DenoiseCoefficients& c) const {
  const Tensor x0 =
      kernels::denoise_step(x_t, model, c, {.want_x = false, .want_x0 = true}).x0.to(DType::f32);
  const int64_t N = x0.dim(0), size = N ? x0.numel() / N : 0;
  const std::vector<float> values = x0.to_vector<float>();
  std::vector<float> limits(static_cast<size_t>(N));
  for (int64_t n = 0; n < N; ++n) {
    const std::span<const float> image(values.data() + n * size, static_cast<size_t>(size));
    const float q = quantile_of_magnitude(image, config_.dynamic_thresholding_ratio);
    limits[static_cast<size_t>(n)] =
        std::max(1.0f, std::min(q, static_cast<float>(config_.sample_max_value)));
  }
  return Tensor::from<float>(limits, {N});
}

std::unique_ptr<Scheduler> make_scheduler(std::string_view class_name,
                                          const SchedulerConfig& config) {
  if (class_name == "DDPMScheduler") return std::make_unique<DDPMScheduler>(config);
  if (class_name == "DDIMScheduler") return std::make_unique<DDIMScheduler>(config);
  fail("scheduler: class must be DDPMScheduler or DDIMScheduler, got ", class_name);
}

std::unique_ptr<Scheduler> scheduler_from_json(std::string_view json) {
  const NamedSchedulerConfig named = parse_scheduler_config(json);
  return make_scheduler(named.class_name, named.config);
}

std::string to_json(const Scheduler& scheduler) {
  return to_json({scheduler.class_name(), scheduler.config()});
}

}  // namespace imago::diffusion
