// The sum of squares of all elements: the global norm of the gradients.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct SumSquares {
  const void* x;  // (n)
  double* y;      // (1)
  int64_t n;
  DType dtype;
};

// A scalar, f64 whatever x's type (f32 or f64): squares and sums are kept in double, in an order
// that depends on the number of elements only. For f32 the bits are the same on every instruction
// set too.
Tensor sum_squares(const Tensor& x);

}  // namespace imago::kernels
