// The axes of a tensor in another order, copied.
#pragma once

#include <span>

#include "core/tensor.h"

namespace imago::kernels {

// y in row-major order, with the step that each of its axes makes in x. Axes of extent 1 are gone
// and neighbours that stay neighbours are merged, so exactly one axis has x_stride 1.
struct Permute {
  const void* x;
  void* y;
  int rank;  // at least 1
  int64_t extent[kMaxRank], x_stride[kMaxRank];
  DType dtype;
};

// y's axis i is x's axis order[i]; negative ones count from the end. Any dtype. Throws unless order
// names every axis once.
Tensor permute(const Tensor& x, std::span<const int> order);
// The order that undoes this one.
std::vector<int> inverse_order(std::span<const int> order);

}  // namespace imago::kernels
