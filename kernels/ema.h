// The exponential moving average of the parameters, where no optimiser updates it in its own pass.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct Ema {
  const void* w;  // (n)
  void* ema;      // (n)
  int64_t n;
  double decay;
  DType dtype;
};

// ema = decay * ema + (1 - decay) * w, in place; with decay 0 an exact copy. Both f32 or both f64.
void ema(Tensor& ema, const Tensor& w, double decay);

}  // namespace imago::kernels
