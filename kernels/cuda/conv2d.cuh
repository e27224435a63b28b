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

// conv2d_forward.cu, conv2d_backward_*.cu: as products of matrices, for one group, f32 and bf16; and what multiplies
// their tiles.
enum class Arithmetic {
  scalar,       // f32 only
  tensor_core,  // bf16, or f32 rounded to tf32
  pipelined,    // the same, the next tiles being copied meanwhile
};
void gemm_forward(const Conv2dForward& p, Arithmetic arithmetic, Stream stream);
void gemm_backward_input(const Conv2dBackwardInput& p, Arithmetic arithmetic, Stream stream);
void gemm_backward_weight(const Conv2dBackwardWeight& p, Arithmetic arithmetic, Stream stream);

}  // namespace imago::kernels::IMAGO_BACKEND::conv2d
