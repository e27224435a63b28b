// Dropout, Srivastava et al. 2014.
#pragma once

#include "core/philox.h"
#include "core/tensor.h"

namespace imago::kernels {

// y[i] = uniform_at(key, i) < p ? 0 : x[i] / (1 - p)
struct Dropout {
  const void* x;  // (n)
  void* y;        // (n)
  int64_t n;
  double p;
  RandomKey key;
  DType dtype;
};

// p is in [0, 1). The mask is a function of the key alone, so the gradient of y is dropout(dy, p, key).
Tensor dropout(const Tensor& x, double p, const RandomKey& key);

}  // namespace imago::kernels
