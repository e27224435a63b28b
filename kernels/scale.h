// y = factor * x + offset.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct Scale {
  const void* x;  // (n)
  void* y;        // (n)
  int64_t n;
  double factor, offset;
  DType dtype;
};

Tensor scale(const Tensor& x, double factor, double offset = 0);

}  // namespace imago::kernels
