// Row-major matrix products for kernels: Eigen's single-threaded GEMM. Whoever calls it shares the tiles out over threads.
#pragma once

#include <Eigen/Core>

#include "kernels/cpu/isa.h"

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

namespace gemm_detail {

template <typename T, Eigen::StorageOptions order>
auto map(const T* data, int64_t rows, int64_t cols, int64_t stride) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, order>;
  return Eigen::Map<const Matrix, Eigen::Unaligned, Eigen::OuterStride<>>(data, rows, cols, Eigen::OuterStride<>(stride));
}

// f(op(A) as an Eigen expression): a row-major matrix, transposed, is a column-major one.
template <typename T, typename F>
void with_map(const Operand<T>& a, int64_t rows, int64_t cols, F f) {
  if (a.transposed) f(map<T, Eigen::ColMajor>(a.data, rows, cols, a.stride));
  else f(map<T, Eigen::RowMajor>(a.data, rows, cols, a.stride));
}

}  // namespace gemm_detail

// C (M, N) += op(A) (M, K) op(B) (K, N), on the calling thread. Rows of C are c_stride elements apart.
template <typename T>
void gemm(int64_t M, int64_t N, int64_t K, const Operand<T>& a, const Operand<T>& b, T* c, int64_t c_stride) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>> C(c, M, N, Eigen::OuterStride<>(c_stride));
  gemm_detail::with_map(a, M, K, [&](const auto& A) {
    gemm_detail::with_map(b, K, N, [&](const auto& B) { C.noalias() += A * B; });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
