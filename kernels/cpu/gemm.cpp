// Eigen's GEMM behind a plain declaration: it takes long to compile, so it stands here alone and
// includes nothing of ours that changes often.
#include "kernels/cpu/gemm.h"

#include <Eigen/Core>

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T, Eigen::StorageOptions order>
auto map(const Operand<T>& a, int64_t rows, int64_t cols) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, order>;
  return Eigen::Map<const Matrix, Eigen::Unaligned, Eigen::OuterStride<>>(
      a.data, rows, cols, Eigen::OuterStride<>(a.stride));
}

// f(op(A) as an Eigen expression): a row-major matrix, transposed, is a column-major one.
template <typename T, typename F>
void with_map(const Operand<T>& a, int64_t rows, int64_t cols, F f) {
  if (a.transposed)
    f(map<T, Eigen::ColMajor>(a, rows, cols));
  else
    f(map<T, Eigen::RowMajor>(a, rows, cols));
}

}  // namespace

template <typename T>
void gemm(int64_t M, int64_t N, int64_t K, const Operand<T>& a, const Operand<T>& b, T* c,
          int64_t c_stride) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>> C(c, M, N,
                                                               Eigen::OuterStride<>(c_stride));
  with_map(a, M, K,
           [&](const auto& A) { with_map(b, K, N, [&](const auto& B) { C.noalias() += A * B; }); });
}

template void gemm(int64_t, int64_t, int64_t, const Operand<float>&, const Operand<float>&, float*,
                   int64_t);
template void gemm(int64_t, int64_t, int64_t, const Operand<double>&, const Operand<double>&,
                   double*, int64_t);

}  // namespace imago::kernels::IMAGO_BACKEND
