// What a diffusion process trains and samples with.
#pragma once

#include "autograd/functions.h"
#include "nn/module.h"

namespace imago::nn {

// A network that is shown a noisy image and its time step, and says what the image is, or the noise.
class Denoiser : public Module {
 public:
  // x (N, H, W, C) -> (N, H, W, C'); t (N) or a single value for all, of any numeric type;
  // class_labels (N) for networks with classes only. Whatever the network computes in, the result has x's type.
  Variable operator()(const Variable& x, const Tensor& t, const Tensor& class_labels = {}) const {
    return cast(forward(cast(x, dtype()), t, class_labels), x.dtype());
  }

  // What it computes in: the type of its parameters, bf16 in training with --precision bf16.
  virtual DType dtype() const = 0;

 private:
  virtual Variable forward(const Variable& x, const Tensor& t,
                           const Tensor& class_labels) const = 0;
};

}  // namespace imago::nn
