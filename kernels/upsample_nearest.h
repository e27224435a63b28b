// Images of twice the size: each pixel becomes four.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct UpsampleNearestForward {
  const void* x;  // (N, H, W, C)
  void* y;        // (N, 2H, 2W, C)
  int64_t N, H, W, C;
  DType dtype;
};

struct UpsampleNearestBackward {
  const void* dy;  // (N, 2H, 2W, C)
  void* dx;        // (N, H, W, C)
  int64_t N, H, W, C;
  DType dtype;
};

Tensor upsample_nearest(const Tensor& x);
// Each pixel's gradient is the sum of its four copies'.
Tensor upsample_nearest_backward(const Tensor& dy);

}  // namespace imago::kernels
