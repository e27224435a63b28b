#include "diffusion/sampler.h"

#include "autograd/no_grad.h"
#include "diffusion/trajectory.h"

namespace imago::diffusion {

Tensor sample(const Model& model, Scheduler& scheduler, const Shape& shape,
              const SampleOptions& options, const SampleCallback& progress) {
  IMAGO_CHECK(shape.rank() >= 2, "sample: shape must be (N, ..., C), got ", shape);
  const NoGrad no_grad;
  if (options.timesteps.empty())
    scheduler.set_timesteps(options.steps, options.mu);
  else
    scheduler.set_custom_timesteps(options.timesteps);

  SamplingNoise noise({options.seed, options.first_image, options.torch_seed}, shape);
  Trajectory way(scheduler, noise.start(Trajectory::start_of(scheduler)), {.eta = options.eta});
  while (!way.done()) {
    const double t = way.t();
    const uint32_t step = static_cast<uint32_t>(way.next()) + 1;
    const Tensor output = model(way.x(), way.timesteps());
    const Tensor x0 = way.advance(output, way.draws_noise() ? noise.step(step) : Noise(), progress != nullptr);
    if (progress)
      progress({.step = step, .total = static_cast<int64_t>(way.size()), .t = t, .x = way.x(), .x0 = x0});
  }
  return way.x();
}

}  // namespace imago::diffusion
