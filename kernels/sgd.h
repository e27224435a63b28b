// Stochastic gradient descent with momentum, over a flat buffer.
#pragma once

#include "kernels/clip.h"

namespace imago::kernels {

struct Sgd {
  const void* g;              // (n)
  void *w, *momentum_buffer;  // (n) each; the buffer is null where momentum is 0
  int64_t n;
  double lr, momentum, weight_decay, gradient_scale;
  NormClip clip;
  bool nesterov;
  DType dtype;
};

struct SgdArguments {
  double lr = 1e-3, momentum = 0, weight_decay = 0;
  bool nesterov = false;
  double gradient_scale = 1;  // gradients are multiplied by it first: clipping
  NormClipArguments clip = {};  // and by its clip_factor()
};

// With d = gradient_scale * clip_factor * g + weight_decay * w, in place:
//   b = momentum b + d;  w = w - lr b, or w - lr (d + momentum b) if nesterov
// All tensors have the shape and type of w, f32 or f64; b starts at zero and may be undefined
// without momentum.
void sgd(Tensor& w, const Tensor& g, Tensor& momentum_buffer, const SgdArguments& arguments);

}  // namespace imago::kernels
