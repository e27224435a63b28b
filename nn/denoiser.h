// What a diffusion process trains and samples with.
#pragma once

#include "nn/module.h"

namespace imago::nn {

// A network that is shown a noisy image and its time step, and says what the image is, or the noise.
class Denoiser : public Module {
 public:
  // x (N, H, W, C) -> (N, H, W, C'); t (N) or a single value for all, of any numeric type;
  // class_labels (N) for networks with classes only.
  Variable operator()(const Variable& x, const Tensor& t, const Tensor& class_labels = {}) const {
    return forward(x, t, class_labels);
  }

 private:
  virtual Variable forward(const Variable& x, const Tensor& t,
                           const Tensor& class_labels) const = 0;
};

}  // namespace imago::nn
