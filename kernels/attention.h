// Scaled dot-product attention, Vaswani et al. 2017 (arXiv:1706.03762), with several heads.
#pragma once

#include <bitset>

#include "core/tensor.h"

namespace imago::kernels {

// Head h owns the channels [h * d, (h + 1) * d), d = C / heads. lse has the accumulator's type.
struct AttentionForward {
  const void *q, *k, *v;  // (N, T, C)  (N, S, C)  (N, S, C)
  void *y, *lse;          // (N, T, C)  (N, heads, T), ln sum_s exp(score_s), kept for backward
  int64_t N, T, S, C, heads;
  DType dtype;
};

struct AttentionBackward {
  const void *dy, *q, *k, *v, *lse;  // (N, T, C)  (N, T, C)  (N, S, C)  (N, S, C)  (N, heads, T)
  void *dq, *dk, *dv;                // (N, T, C)  (N, S, C)  (N, S, C); null where not wanted
  int64_t N, T, S, C, heads;
  DType dtype;
};

struct AttentionResult {
  Tensor y, lse;
};
struct AttentionGrads {
  Tensor dq, dk, dv;
};

// y = softmax(q k^T / sqrt(d)) v for every sample and head; q (N, T, C), k and v (N, S, C), S > 0.
// The N * heads * T * S weights never exist at once. Throws on other shapes, and where C does not
// split into heads.
AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads);

// `want` bit 0, 1, 2: dq, dk, dv. Gradients not wanted come back undefined. The weights are
// computed again.
AttentionGrads attention_backward(const Tensor& dy, const Tensor& q, const Tensor& k,
                                  const Tensor& v, const Tensor& lse, std::bitset<32> want);

}  // namespace imago::kernels
