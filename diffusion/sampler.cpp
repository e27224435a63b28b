#include "diffusion/sampler.h"

#include "autograd/no_grad.h"
#include "core/graph.h"
#include "diffusion/trajectory.h"

namespace imago::diffusion {
namespace {

void tell(const SampleCallback& progress, const Trajectory& way, double t, const Tensor& x0) {
  if (!progress) return;
  progress({.step = static_cast<int64_t>(way.next()),
            .total = static_cast<int64_t>(way.size()),
            .t = t,
            .x = way.x(),
            .x0 = x0});
}

void go_step_by_step(const Model& model, Trajectory& way, SamplingNoise& noise, const SampleCallback& progress) {
  while (!way.done()) {
    const double t = way.t();
    const uint32_t step = static_cast<uint32_t>(way.next()) + 1;
    const Tensor output = model(way.x(), way.timesteps());
    const Tensor x0 = way.advance(output, way.draws_noise() ? noise.step(step) : Noise(), progress != nullptr);
    tell(progress, way, t, x0);
  }
}

// The first step is done as it is, which tells what memory a step needs; the second is captured.
void go_by_graph(const Model& model, Trajectory& way, const SamplingNoise& noise, const SampleCallback& progress) {
  const Device device = way.x().device();
  way.to_device();
  Tensor x0;
  const auto step = [&] {
    const Tensor output = model(way.x(), way.timesteps_on_device());
    x0 = way.advance_on_device(output, way.ever_draws_noise() ? noise.step_at(way.step_at()) : Noise(),
                               progress != nullptr);
  };
  MemoryPlan plan;
  Graph graph;
  while (!way.done()) {
    const double t = way.t();
    if (way.next() == 0) {
      plan = plan_memory(trace_memory(device, step));
    } else {
      if (!graph.captured()) {
        x0 = {};
        trim_memory(device);  // what the first step leaves behind: a graph has memory of its own
        graph = Graph::capture(device, plan, step);
      }
      graph.launch();
    }
    way.count();
    tell(progress, way, t, x0);
  }
}

}  // namespace

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
  if (options.graph && way.may_be_captured() && noise.is_drawn_on_device())
    go_by_graph(model, way, noise, progress);
  else
    go_step_by_step(model, way, noise, progress);
  return way.x();
}

}  // namespace imago::diffusion
