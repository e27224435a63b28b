// The sum of all rows: what a bias, added to every row, gets as its gradient.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct SumRows {
  const void* x;  // (M, C)
  void* y;        // (C), of the accumulator's type
  int64_t M, C;
  DType dtype;
};

// (C) = the sum over all but the last axis of x (..., C), f32 where x is bf16. Throws if x is a scalar.
Tensor sum_rows(const Tensor& x);

}  // namespace imago::kernels
