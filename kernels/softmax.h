// Softmax over the last axis.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct SoftmaxForward {
  const void* x;  // (M, C)
  void* y;        // (M, C)
  int64_t M, C;
  DType dtype;
};

struct SoftmaxBackward {
  const void *dy, *y;  // (M, C)
  void* dx;            // (M, C)
  int64_t M, C;
  DType dtype;
};

// y_c = exp(x_c - max x) / sum_j exp(x_j - max x) for every row of x (..., C). Throws if x is a
// scalar.
Tensor softmax(const Tensor& x);
// From the result, not the argument.
Tensor softmax_backward(const Tensor& dy, const Tensor& y);

}  // namespace imago::kernels
