// Products of matrices, one or a batch of them.
#pragma once

#include <bitset>

#include "core/tensor.h"
#include "kernels/options.h"

namespace imago::kernels {

// c = op(a) op(b) + bias for each of `batch` matrices, which lie `step` elements apart; a step of 0
// means that all share one. Where c_step is 0 the products are added up. a and b hold their
// matrices as they are before transposition.
struct Matmul {
  const void *a, *b;  // (batch, M, K) or (batch, K, M)  (batch, K, N) or (batch, N, K)
  const void* bias;   // (N), or null
  void* c;            // (batch, M, N)
  int64_t batch, M, N, K;
  int64_t a_step, b_step, c_step;
  bool transpose_a, transpose_b;
  bool wide;  // c is of the accumulator's type
  DType dtype;
};

struct MatmulGrads {
  Tensor da, db;
};

// (..., M, N) = op(a) (..., M, K) op(b) (..., K, N) + bias (N), where op transposes the last two
// axes if the options say so. The leading axes of b must be a's, or absent; bias may be undefined.
// Throws on other shapes. If `wide` the result is f32 where a and b are bf16.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {},
              const Tensor& bias = {}, bool wide = false);

// `want` bit 0, 1: da, db. Gradients not wanted come back undefined.
MatmulGrads matmul_backward(const Tensor& dy, const Tensor& a, const Tensor& b,
                            const MatmulOptions& options, std::bitset<32> want);

}  // namespace imago::kernels
