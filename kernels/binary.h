// Arithmetic of two tensors, element by element, with broadcasting.
#pragma once

#include "core/tensor.h"
#include "kernels/options.h"

namespace imago::kernels {

// The output is walked in row-major order over `rank` axes. An operand's stride is 0 along the axes where it is
// repeated. Axes that both operands cross in one stride are merged, so the strides of the last axis are 0 or 1.
struct BinaryForward {
  const void *a, *b;
  void* y;
  int rank;  // at least 1
  int64_t extent[kMaxRank], a_stride[kMaxRank], b_stride[kMaxRank];
  BinaryOp op;
  DType dtype;
};

const char* name_of(BinaryOp op);

// Shapes are aligned at their last axis; an extent of 1 or a missing axis is repeated. Throws if they do not fit, or if
// the types differ.
Tensor binary(BinaryOp op, const Tensor& a, const Tensor& b);

}  // namespace imago::kernels
