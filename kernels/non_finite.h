// How many elements are infinite or not a number.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct CountNonFinite {
  const void* x;  // (n)
  double* y;      // (1)
  int64_t n;
  DType dtype;
};

// A scalar, f64, on x's device. x is of a floating-point type.
Tensor count_non_finite(const Tensor& x);

}  // namespace imago::kernels
