// Tensors side by side along the last axis, and ranges cut out of it.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

// y[m, y_begin + c] = x[m, x_begin + c] for c < width: the one copy that concatenating and slicing are made of.
struct CopyChannels {
  const void* x;  // (rows, x_channels)
  void* y;        // (rows, y_channels)
  int64_t rows, width, x_channels, x_begin, y_channels, y_begin;
  DType dtype;
};

// At least one part; all have the same leading extents and dtype.
Tensor concat(const std::vector<Tensor>& parts);
// Channels [begin, end) of the last axis.
Tensor slice_channels(const Tensor& x, int64_t begin, int64_t end);
// The gradient of a tensor of `channels` channels of which [begin, begin + dy's channels) were cut out.
Tensor slice_channels_backward(const Tensor& dy, int64_t channels, int64_t begin);

}  // namespace imago::kernels
