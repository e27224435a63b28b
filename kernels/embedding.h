// A table of vectors, looked up by number.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct EmbeddingForward {
  const void *ids, *weight;  // (M)  (V, C)
  void* y;                   // (M, C)
  int64_t M, C;
  DType ids_dtype, dtype;
};

struct EmbeddingBackward {
  const void *ids, *dy;  // (M)  (M, C)
  void* dweight;         // (V, C), zero before
  int64_t M, C;
  DType ids_dtype, dtype;
};

// y (ids.shape, C) = the rows of weight (V, C) that ids, i32 or i64 of any shape, names. Throws on
// an id outside [0, V).
Tensor embedding(const Tensor& ids, const Tensor& weight);
// dweight (vocabulary, C): row i is the sum of dy wherever the id is i.
Tensor embedding_backward(const Tensor& dy, const Tensor& ids, int64_t vocabulary);

}  // namespace imago::kernels
