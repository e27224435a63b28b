// Average and maximum over square windows of an image.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

// Window (i, j) covers the pixels [i * stride, i * stride + kernel) x [j * stride, j * stride + kernel); windows that
// would reach over the edge are left out: HO = (H - kernel) / stride + 1.
struct Pool2dShape {
  int64_t N, H, W, C, HO, WO, kernel, stride;
};

struct AvgPool2dForward {
  const void* x;  // (N, H, W, C)
  void* y;        // (N, HO, WO, C)
  Pool2dShape shape;
  DType dtype;
};

struct AvgPool2dBackward {
  const void* dy;  // (N, HO, WO, C)
  void* dx;        // (N, H, W, C)
  Pool2dShape shape;
  DType dtype;
};

// index is the position of the maximum in its window, row * kernel + column: u8, or i32 for kernels above 16.
struct MaxPool2dForward {
  const void* x;   // (N, H, W, C)
  void *y, *index;  // (N, HO, WO, C) each
  Pool2dShape shape;
  DType dtype, index_dtype;
};

struct MaxPool2dBackward {
  const void *dy, *index;  // (N, HO, WO, C) each
  void* dx;                // (N, H, W, C)
  Pool2dShape shape;
  DType dtype, index_dtype;
};

struct MaxPool2dResult {
  Tensor y, index;
};

// x is (N, H, W, C); kernel and stride are at least 1, and one window must fit into the image.
Tensor avg_pool2d(const Tensor& x, int64_t kernel, int64_t stride);
// `x_shape` is x's.
Tensor avg_pool2d_backward(const Tensor& dy, const Shape& x_shape, int64_t kernel, int64_t stride);

// Of equal maxima the first one wins, and NaN is larger than any number.
MaxPool2dResult max_pool2d(const Tensor& x, int64_t kernel, int64_t stride);
Tensor max_pool2d_backward(const Tensor& dy, const Tensor& index, const Shape& x_shape, int64_t kernel, int64_t stride);

}  // namespace imago::kernels
