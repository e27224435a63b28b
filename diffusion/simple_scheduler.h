// The simplest diffusion there is, of the first lesson of the Hugging Face diffusion course: images
// are mixed with noise by some amount, the model (which is not told the amount) says what the clean
// image was, and sampling goes there bit by bit.
#pragma once

#include <functional>

#include "autograd/variable.h"
#include "diffusion/sampler.h"
#include "diffusion/training_loss.h"

namespace imago::diffusion {

class SimpleScheduler {
 public:
  // (1 - amount[n]) x0[n] + amount[n] noise[n]; amount (N), f32, in [0, 1].
  Tensor corrupt(const Tensor& x0, const Noise& noise, const Tensor& amount) const;

  struct Batch {
    Tensor x;       // (N, ...), corrupted
    Tensor amount;  // (N), f32, uniform in [0, 1)
  };
  // The noise is uniform in [0, 1), as pixels are.
  Batch corrupted_batch(const Tensor& x0, const BatchKey& key) const;
  // The mean squared error of model(x), called in training mode, against x0.
  Variable training_loss(const std::function<Variable(const Variable& x)>& model, const Tensor& x0,
                         const BatchKey& key) const;

  // From uniform noise, in n steps: step i of 0 .. n - 1 goes 1 / (n - i) of the way to what the
  // model predicts, the last one all of it. eta and timesteps mean nothing here; progress is told
  // the step as t.
  Tensor sample(const std::function<Tensor(const Tensor& x)>& model, const Shape& shape,
                const SampleOptions& options = {}, const SampleCallback& progress = {}) const;
};

}  // namespace imago::diffusion
