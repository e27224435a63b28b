// Sampling: from noise to images, one step of the scheduler after the other.
#pragma once

#include <functional>

#include "diffusion/sampling_noise.h"
#include "diffusion/scheduler.h"

namespace imago::diffusion {

// From x_t (N, H, W, C) and time steps t (N), all the same, to the model's output. t is i64, or f32 where
// the scheduler's time steps need not be integers.
using Model = std::function<Tensor(const Tensor& x_t, const Tensor& t)>;

// Told after each step. Whoever wants to keep x or x0 clones it: with a graph the next step overwrites both.
struct SampleProgress {
  int64_t step, total;  // this step, from 1, of how many
  double t;             // its time step
  const Tensor& x;      // the image behind it, as the model sees it
  const Tensor& x0;     // the clean image that the model had in mind
};
using SampleCallback = std::function<void(const SampleProgress&)>;

struct SampleOptions {
  int64_t steps = 50;
  std::vector<double> timesteps = {};  // these instead of `steps` of them, unless empty
  std::optional<double> mu = {};       // flow matching with use_dynamic_shifting: how far
  double eta = 0;                      // DDIM: how much noise is drawn again, 0 to 1
  uint64_t seed = 0;
  uint64_t first_image = 0;  // images of one seed are numbered: parts of a batch equal the batch
  // Draw what a diffusers pipeline draws with torch.Generator().manual_seed(torch_seed), in place of `seed`.
  std::optional<uint64_t> torch_seed = {};
  // A step is captured once, and launched as a whole from then on: the same bits, less to do for the host. The model
  // then has to be work of the device alone. Without effect where a step takes the host: dynamic thresholding,
  // torch_seed.
  bool graph = false;
};

// Images of the given shape (N, H, W, C), about in [-1, 1]. The same seed gives the same noise on
// any device, whatever the number of threads. Sets the scheduler's time steps. Runs under NoGrad.
Tensor sample(const Model& model, Scheduler& scheduler, const Shape& shape,
              const SampleOptions& options = {}, const SampleCallback& progress = {});

}  // namespace imago::diffusion
