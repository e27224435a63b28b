#include "diffusion/simple_scheduler.h"

#include "autograd/functions.h"
#include "autograd/no_grad.h"
#include "kernels/fill_random.h"
#include "kernels/scale.h"
#include "nn/training.h"

namespace imago::diffusion {

// Each image has an entry of its own in a schedule of N: amount, and 1 - amount.
Tensor SimpleScheduler::corrupt(const Tensor& x0, const Noise& noise, const Tensor& amount) const {
  IMAGO_CHECK(x0.rank() >= 1 && amount.shape() == Shape{x0.dim(0)} && amount.dtype() == DType::f32,
              "SimpleScheduler: amount must be (N) f32 for x0 (N, ...), got ", amount.shape(), " ",
              amount.dtype(), " for ", x0.shape());
  return kernels::add_noise(x0, noise, {}, kernels::scale(amount, -1, 1), amount);
}

SimpleScheduler::Batch SimpleScheduler::corrupted_batch(const Tensor& x0,
                                                        const BatchKey& key) const {
  IMAGO_CHECK(x0.defined() && x0.rank() >= 1, "SimpleScheduler: x0 must be (N, ...), got ",
              x0.shape());
  const int64_t N = x0.dim(0);
  Tensor amount({N}, DType::f32, x0.device()), noise = Tensor::empty_like(x0);
  kernels::fill_uniform(amount, key.stream(kTimestepStream), 0, 1, key.first_image);
  kernels::fill_uniform(noise, key.stream(kNoiseStream), 0, 1,
                        key.first_image * static_cast<uint64_t>(N ? x0.numel() / N : 0));
  return {.x = corrupt(x0, noise, amount), .amount = amount};
}

Variable SimpleScheduler::training_loss(const std::function<Variable(const Variable& x)>& model,
                                        const Tensor& x0, const BatchKey& key) const {
  const nn::Training training(key.mask_seed(), key.step, key.step_at);
  return mse_loss(model(corrupted_batch(x0, key).x), x0);
}

Tensor SimpleScheduler::sample(const std::function<Tensor(const Tensor& x)>& model,
                               const Shape& shape, const SampleOptions& options,
                               const SampleCallback& progress) const {
  IMAGO_CHECK(shape.rank() >= 2, "sample: shape must be (N, ..., C), got ", shape);
  IMAGO_CHECK(options.steps >= 1, "sample: steps must be at least 1, got ", options.steps);
  const NoGrad no_grad;
  Tensor x(shape);
  fill_uniform(x, {.seed = options.seed, .stream = kSampleStream, .step = 0}, 0, 1,
               options.first_image * static_cast<uint64_t>(shape.without(0).numel()));
  for (int64_t i = 0; i < options.steps; ++i) {
    const double mix = 1 / static_cast<double>(options.steps - i);
    const Tensor prediction = model(x);
    x = kernels::denoise_step(x, prediction, {.x_x0 = mix, .x_x = 1 - mix}).x;
    if (progress)
      progress({.step = i + 1, .total = options.steps, .t = static_cast<double>(i), .x = x, .x0 = prediction});
  }
  return x;
}

}  // namespace imago::diffusion
