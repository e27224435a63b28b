#include "diffusion/sampler.h"

#include "autograd/no_grad.h"
#include "core/random.h"

namespace imago::diffusion {

Tensor sample(const Model& model, Scheduler& scheduler, const Shape& shape,
              const SampleOptions& options, const SampleCallback& progress) {
  IMAGO_CHECK(shape.rank() >= 2, "sample: shape must be (N, ..., C), got ", shape);
  const NoGrad no_grad;
  if (options.timesteps.empty())
    scheduler.set_timesteps(options.steps);
  else
    scheduler.set_custom_timesteps(options.timesteps);

  const uint64_t first = options.first_image * static_cast<uint64_t>(shape.without(0).numel());
  RandomKey key{.seed = options.seed, .stream = kSampleStream, .step = 0};
  Tensor x(shape);
  fill_normal(x, key, 1, first);
  const std::vector<int64_t> timesteps(scheduler.timesteps().begin(), scheduler.timesteps().end());
  for (const int64_t t : timesteps) {
    ++key.step;
    const Tensor output = model(x, Tensor::full({shape[0]}, static_cast<double>(t), DType::i64));
    auto [next, x0] = scheduler.step(
        output, t, x,
        {.noise = Noise(key, first), .eta = options.eta, .want_x0 = progress != nullptr});
    x = std::move(next);
    if (progress)
      progress({.step = key.step,
                .total = static_cast<int64_t>(timesteps.size()),
                .t = t,
                .x = x,
                .x0 = x0});
  }
  return x;
}

}  // namespace imago::diffusion
