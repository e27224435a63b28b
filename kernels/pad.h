// Zeros around an image, and the image cut out again.
#pragma once

#include "core/tensor.h"
#include "kernels/options.h"

namespace imago::kernels {

// N, H, W, C are x's; y is (N, H + top + bottom, W + left + right, C).
struct PadForward {
  const void* x;
  void* y;
  int64_t N, H, W, C;
  Padding padding;
  DType dtype;
};

struct PadBackward {
  const void* dy;
  void* dx;
  int64_t N, H, W, C;
  Padding padding;
  DType dtype;
};

// Throws where padding is negative.
Tensor pad(const Tensor& x, const Padding& padding);
Tensor pad_backward(const Tensor& dy, const Padding& padding);

}  // namespace imago::kernels
