// The parts that the convolution's launchers (conv2d.cu) choose from.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/cuda/device/launch.cuh"

namespace imago::kernels::IMAGO_BACKEND::conv2d {

// conv2d_direct.cu: any shape and any groups.
void direct_forward(const Conv2dForward& p, Stream stream);
void direct_backward_input(const Conv2dBackwardInput& p, Stream stream);
void direct_backward_weight(const Conv2dBackwardWeight& p, Stream stream);

// conv2d_depthwise.cu: each channel by itself, where fits_depthwise().
bool fits_depthwise(const Conv2dShape& s);
void depthwise_forward(const Conv2dForward& p, Stream stream);
void depthwise_backward_input(const Conv2dBackwardInput& p, Stream stream);
void depthwise_backward_weight(const Conv2dBackwardWeight& p, Stream stream);

// out[i] = the sum over `parts` of partial[part][i], in order: the second stage of sums that are shared out.
template <typename T>
struct SumParts {
  const Accumulator<T>* partial;  // (parts, n)
  T* out;                         // (n)
  int64_t parts, n;

  __device__ void operator()(int64_t i) const {
    Accumulator<T> sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += partial[part * n + i];
    out[i] = T(sum);
  }
};

}  // namespace imago::kernels::IMAGO_BACKEND::conv2d
