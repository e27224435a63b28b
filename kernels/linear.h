// The affine map of a dense layer: a matrix product with a bias.
#pragma once

#include <bitset>

#include "core/tensor.h"

namespace imago::kernels {

struct LinearGrads {
  Tensor dx, dweight, dbias;
};

// y (..., O) = x weight^T + bias; x (..., I), weight (O, I), bias (O) or undefined. Throws on other
// shapes.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// `want` bit 0, 1, 2: dx, dweight, dbias. Gradients not wanted come back undefined. dweight and dbias are f32 where the
// rest is bf16: they are sums over all rows, and will be added to others.
LinearGrads linear_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                            std::bitset<32> want);

}  // namespace imago::kernels
