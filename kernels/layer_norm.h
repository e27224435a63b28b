// Layer normalisation, Ba, Kiros & Hinton 2016 (arXiv:1607.06450), over the last axis.
#pragma once

#include <bitset>

#include "core/tensor.h"

namespace imago::kernels {

// Statistics have the accumulator's type.
struct LayerNormForward {
  const void *x, *weight, *bias;  // (M, C)  (C)  (C)
  void *y, *mean, *rstd;          // (M, C)  (M)  (M); the last two are kept for backward
  int64_t M, C;
  double eps;
  DType dtype;
};

struct LayerNormBackward {
  const void *dy, *x, *weight, *mean, *rstd;  // (M, C)  (M, C)  (C)  (M)  (M)
  void *dx, *dweight, *dbias;                 // (M, C)  (C)  (C); null where not wanted
  int64_t M, C;
  DType dtype;
};

struct LayerNormResult {
  Tensor y, mean, rstd;
};
struct LayerNormGrads {
  Tensor dx, dweight, dbias;
};

// y = xhat * weight + bias, xhat = (x - mean) * rstd, with mean and rstd = 1/sqrt(var + eps) taken
// over each row of x (..., C); weight, bias (C). Throws on other shapes.
LayerNormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           double eps = 1e-5);

// `want` bit 0, 1, 2: dx, dweight, dbias. Gradients not wanted come back undefined.
LayerNormGrads layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                   const Tensor& mean, const Tensor& rstd, std::bitset<32> want);

}  // namespace imago::kernels
