// Two-dimensional convolution over NHWC (cross-correlation, as everywhere in deep learning) and its gradients.
#pragma once

#include <bitset>

#include "core/tensor.h"
#include "kernels/options.h"

namespace imago::kernels {

// x (N, H, W, C), weight (O, KH, KW, C/groups), y (N, HO, WO, O).
struct Conv2dShape {
  int64_t N, H, W, C;
  int64_t O, KH, KW;
  int64_t HO, WO;
  int64_t stride, top, left, groups;
};

struct Conv2dForward {
  const void *x, *weight;                      // (N, H, W, C)  (O, KH, KW, C/groups)
  const void *bias, *channel_bias, *residual;  // (O)  (N, O)  (N, HO, WO, O); null where absent
  void* y;                                     // (N, HO, WO, O)
  Conv2dShape shape;
  DType dtype;
};

struct Conv2dBackwardInput {
  const void *dy, *weight;  // (N, HO, WO, O)  (O, KH, KW, C/groups)
  void* dx;                 // (N, H, W, C)
  Conv2dShape shape;
  DType dtype;
};

struct Conv2dBackwardWeight {
  const void *dy, *x;  // (N, HO, WO, O)  (N, H, W, C)
  void* dweight;       // (O, KH, KW, C/groups), of the accumulator's type
  Conv2dShape shape;
  DType dtype;
};

// S is the number of output positions.
struct Conv2dBackwardBias {
  const void* dy;                // (N, S, O)
  void *dbias, *dchannel_bias;   // (O), of the accumulator's type  (N, O); null where not wanted
  int64_t N, S, O;
  DType dtype;
};

// What is added to the sum before it is stored; undefined where absent.
struct Conv2dAddends {
  Tensor bias = {};          // (O)
  Tensor channel_bias = {};  // (N, O)
  Tensor residual = {};      // (N, HO, WO, O)
};

// y[n,i,j,o] = sum_{r,s,c} x[n, i*stride + r - top, j*stride + s - left, c] * weight[o,r,s,c] + addends, where x is
// zero outside its H rows and W columns, and c runs over the channels of o's group. HO = (H + top + bottom - KH)/stride
// + 1, rounded down, WO alike. Throws on shapes that do not fit.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Conv2dOptions& options = {},
              const Conv2dAddends& addends = {});

// Gradients of sum(dy * conv2d(x, weight, options)); of the other operand only the shape matters. Those of weight and
// bias, here and below, are f32 where dy is bf16: they are sums over all pixels, and will be added to others.
Tensor conv2d_backward_input(const Tensor& dy, const Tensor& weight, const Shape& x, const Conv2dOptions& options);
Tensor conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Shape& weight, const Conv2dOptions& options);

struct Conv2dBiasGrads {
  Tensor dbias, dchannel_bias;
};
// `want` bit 0, 1: dbias (O), dchannel_bias (N, O). Gradients not wanted come back undefined.
Conv2dBiasGrads conv2d_backward_bias(const Tensor& dy, std::bitset<32> want);

}  // namespace imago::kernels
