// Row-major matrix products for kernels, on the calling thread: whoever calls shares the tiles out
// over threads.
#pragma once

#include <cstdint>

namespace imago::kernels::IMAGO_BACKEND {

// op(A): a row-major matrix in memory, or its transpose.
template <typename T>
struct Operand {
  const T* data;
  int64_t stride;  // elements from one row in memory to the next
  bool transposed = false;

  // op(A) without its first i rows and j columns.
  Operand from(int64_t i, int64_t j) const {
    return {data + (transposed ? j * stride + i : i * stride + j), stride, transposed};
  }
};

// C (M, N) += op(A) (M, K) op(B) (K, N). Rows of C are c_stride elements apart. T is float or
// double.
template <typename T>
void gemm(int64_t M, int64_t N, int64_t K, const Operand<T>& a, const Operand<T>& b, T* c,
          int64_t c_stride);

}  // namespace imago::kernels::IMAGO_BACKEND
