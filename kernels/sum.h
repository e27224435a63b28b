// Sums over axes, and their transpose, repetition along axes. A mean is a sum with a factor.
#pragma once

#include <span>

#include "core/tensor.h"

namespace imago::kernels {

// y[a, c] = factor * sum over r of x[a, r, c]. Sums over several axes that are not neighbours are
// several of these.
struct SumForward {
  const void* x;  // (A, R, C)
  void* y;        // (A, C)
  int64_t A, R, C;
  double factor;
  DType dtype;
};

// dx[a, r, c] = factor * dy[a, c].
struct SumBackward {
  const void* dy;  // (A, C)
  void* dx;        // (A, R, C)
  int64_t A, R, C;
  double factor;
  DType dtype;
};

// factor times the sum over `axes`, of which negative ones count from the end. The axes disappear,
// or stay with extent 1. The sum over nothing is 0. Short runs of f32 are summed in f32 and these
// in double, in an order that depends on the shape only. Throws if an axis does not exist or is
// named twice.
Tensor sum(const Tensor& x, std::span<const int> axes, bool keep_dims = false, double factor = 1);
// Over all axes, to a scalar of rank 0.
Tensor sum(const Tensor& x, double factor = 1);
std::vector<int> all_axes(const Shape& shape);
// One over the number of elements that are summed: the factor that makes sum() a mean.
double mean_factor(const Shape& shape, std::span<const int> axes);

// From the gradient of sum(x, axes, ..., factor) to the gradient of x, which has this shape.
Tensor sum_backward(const Tensor& dy, const Shape& shape, std::span<const int> axes,
                    double factor = 1);

// x added up along the axes where `shape`, aligned at the last axis, has extent 1 or no axis: the
// gradient of a tensor of that shape that was broadcast. x itself if nothing was.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace imago::kernels
