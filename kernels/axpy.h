// y += a * x, in place: how the engine adds gradients up.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct Axpy {
  const void* x;  // (n)
  void* y;        // (n)
  int64_t n;
  double a;
  DType dtype, x_dtype;
};

// x and y must agree in shape and type, except that x may be bf16 where y is f32: gradients of a model that computes
// in bf16 gather in f32.
void axpy(double a, const Tensor& x, Tensor& y);

}  // namespace imago::kernels
