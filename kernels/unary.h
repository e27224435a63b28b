// Functions of one number, element by element.
#pragma once

#include "core/tensor.h"
#include "kernels/options.h"

namespace imago::kernels {

struct UnaryForward {
  const void* x;  // (n)
  void* y;        // (n)
  int64_t n;
  UnaryOp op;
  DType dtype;
};

struct UnaryBackward {
  const void *dy, *x;  // (n)  (n)
  void* dx;            // (n)
  int64_t n;
  UnaryOp op;
  DType dtype;
};

const char* name_of(UnaryOp op);

// x is f32 or f64, of any shape. In f32, exp saturates at about 8e37 instead of overflowing to infinity.
Tensor unary(UnaryOp op, const Tensor& x);
// dy * op'(x).
Tensor unary_backward(UnaryOp op, const Tensor& dy, const Tensor& x);

}  // namespace imago::kernels
