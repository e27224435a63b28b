#include "diffusion/trajectory.h"

#include <algorithm>
#include <cmath>

#include "kernels/next_timestep.h"

namespace imago::diffusion {
namespace {

// The q-quantile of |x|, interpolated between its neighbours.
float quantile_of_magnitude(std::span<const float> x, double q) {
  std::vector<float> magnitude(x.size());
  std::transform(x.begin(), x.end(), magnitude.begin(), [](float v) { return std::abs(v); });
  const double position = q * static_cast<double>(x.size() - 1);
  const auto low = magnitude.begin() + static_cast<int64_t>(position);
  std::nth_element(magnitude.begin(), low, magnitude.end());
  const float next = low + 1 == magnitude.end() ? *low : *std::min_element(low + 1, magnitude.end());
  return *low + static_cast<float>(position - std::floor(position)) * (next - *low);
}

}  // namespace

Trajectory::Trajectory(const Scheduler& scheduler, Tensor x, const StepOptions& options)
    : config_(scheduler.config()),
      integer_timesteps_(scheduler.integer_timesteps()),
      steps_(scheduler.plan(options)),
      x_(std::move(x)) {
  IMAGO_CHECK(x_.defined() && x_.rank() >= 2, "Trajectory: x must be (N, ..., C), got ", x_.shape());
  int memories = 0;
  for (const SamplingStep& step : steps_) memories = std::max(memories, kernels::memories_of(step.update));
  if (memories) memory_ = Tensor(x_.shape().inserted(0, memories), x_.dtype(), x_.device());
}

const SamplingStep& Trajectory::step() const {
  IMAGO_CHECK(!done(), "Trajectory: all ", steps_.size(), " steps are done");
  return steps_[next_];
}

Tensor Trajectory::timesteps() const {
  return Tensor::full({x_.dim(0)}, step().t, integer_timesteps_ ? DType::i64 : DType::f32, x_.device());
}

Tensor Trajectory::advance(const Tensor& model, const Noise& noise, bool want_x0) {
  const SamplingStep& now = step();
  IMAGO_CHECK(!now.draws_noise || noise.given(), "Trajectory: the step at t = ", now.t, " needs noise");
  auto [x, x0] = kernels::denoise_step(x_, model, now.update,
                                       {.noise = now.draws_noise ? noise : Noise(),
                                        .want_x0 = want_x0,
                                        .limit = config_.thresholding ? limits(model) : Tensor(),
                                        .memory = memory_});
  x_ = std::move(x);
  ++next_;
  return x0;
}

void Trajectory::to_device() {
  IMAGO_CHECK(may_be_captured(), "Trajectory: dynamic thresholding takes the host's help, so no step can be captured");
  IMAGO_CHECK(next_ == 0, "Trajectory: to_device() comes before the first step");
  std::vector<DenoiseCoefficients> updates;
  std::vector<float> times;
  for (const SamplingStep& step : steps_) {
    updates.push_back(step.update);
    updates.back().draws_noise = step.draws_noise;
    times.push_back(static_cast<float>(step.t));
  }
  plan_.emplace(updates, x_.device());
  const Tensor t = Tensor::from<float>(times, {static_cast<int64_t>(times.size())}, x_.device());
  plan_timesteps_ = integer_timesteps_ ? t.to(DType::i64) : t;
  x_ = x_.clone();  // it may be somebody else's, too
}

bool Trajectory::ever_draws_noise() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const SamplingStep& step) { return step.draws_noise; });
}

Tensor Trajectory::timesteps_on_device() {
  return kernels::next_timestep(plan_timesteps_, plan_->step, x_.dim(0));
}

Tensor Trajectory::advance_on_device(const Tensor& model, const Noise& noise, bool want_x0) {
  IMAGO_CHECK(noise.given() || !ever_draws_noise(), "Trajectory: there are steps that need noise");
  return kernels::denoise_step(x_, model, *plan_,
                               {.noise = noise, .want_x0 = want_x0, .memory = memory_, .in_place = true})
      .x0;
}

// The quantile of the image's |x_0|, at least 1.
Tensor Trajectory::limits(const Tensor& model) const {
  const Tensor x0 =
      kernels::denoise_step(x_, model, step().update, {.want_x = false, .want_x0 = true, .memory = memory_})
          .x0.to(DType::f32);
  const int64_t N = x0.dim(0), size = N ? x0.numel() / N : 0;
  const std::vector<float> values = x0.to_vector<float>();
  std::vector<float> limits(static_cast<size_t>(N));
  for (int64_t n = 0; n < N; ++n) {
    const std::span<const float> image(values.data() + n * size, static_cast<size_t>(size));
    const float q = quantile_of_magnitude(image, config_.dynamic_thresholding_ratio);
    limits[static_cast<size_t>(n)] = std::max(1.0f, std::min(q, static_cast<float>(config_.sample_max_value)));
  }
  return Tensor::from<float>(limits, {N}, x_.device());
}

}  // namespace imago::diffusion
