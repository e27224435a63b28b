#include "diffusion/simple_scheduler.h"

#include <numeric>

#include "autograd/functions.h"
#include "autograd/no_grad.h"
#include "core/random.h"
#include "nn/training.h"

namespace imago::diffusion {

// Each image is its own time step of a schedule with N entries.
Tensor SimpleScheduler::corrupt(const Tensor& x0, const Noise& noise, const Tensor& amount) const {
  IMAGO_CHECK(x0.rank() >= 1 && amount.shape() == Shape{x0.dim(0)} && amount.dtype() == DType::f32,
              "SimpleScheduler: amount must be (N) f32 for x0 (N, ...), got ", amount.shape(), " ",
              amount.dtype(), " for ", x0.shape());
  std::vector<float> rest = amount.to_vector<float>();
  for (float& a : rest) a = 1 - a;
  std::vector<int64_t> order(rest.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  return kernels::add_noise(x0, noise, Tensor::from<int64_t>(order, amount.shape()),
                            Tensor::from<float>(rest, amount.shape()), amount);
}

SimpleScheduler::Batch SimpleScheduler::corrupted_batch(const Tensor& x0,
                                                        const BatchKey& key) const {
  IMAGO_CHECK(x0.defined() && x0.rank() >= 1, "SimpleScheduler: x0 must be (N, ...), got ",
              x0.shape());
  const int64_t N = x0.dim(0);
  Tensor amount({N}, DType::f32), noise = Tensor::empty_like(x0);
  fill_uniform(amount, {.seed = key.seed, .stream = kTimestepStream, .step = key.step}, 0, 1,
               key.first_image);
  fill_uniform(noise, {.seed = key.seed, .stream = kNoiseStream, .step = key.step}, 0, 1,
               key.first_image * static_cast<uint64_t>(N ? x0.numel() / N : 0));
  return {.x = corrupt(x0, noise, amount), .amount = amount};
}

Variable SimpleScheduler::training_loss(const std::function<Variable(const Variable& x)>& model,
                                        const Tensor& x0, const BatchKey& key) const {
  const nn::Training training(key.seed, key.step);
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
