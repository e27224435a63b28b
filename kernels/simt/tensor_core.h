// Asynchronous copies and tensor-core operations, emulated; kernels reach these through
// kernels/cuda/device/tensor_core.cuh.
#pragma once

#include <bit>

#include "core/dtype.h"
#include "kernels/simt/thread.h"

namespace simt {
namespace detail {

void copy_async(void* dst, const void* src, unsigned bytes, int src_bytes, Site site);
void commit_async();
void wait_async(unsigned left);  // carries out all groups but the last `left`

void load_matrices(unsigned* registers, unsigned count, bool transposed, const void* row, Site site);
enum class MmaShape : uint8_t { bf16_m16n8k16, tf32_m16n8k8 };
void multiply_accumulate(MmaShape shape, float* d, const unsigned* a, const unsigned* b, Site site);

}  // namespace detail

template <int BYTES>
__forceinline__ void cp_async(void* dst, const void* src, int src_bytes = BYTES, SIMT_HERE) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
  detail::copy_async(dst, src, BYTES, src_bytes, {"cp_async", file, line});
}
__forceinline__ void cp_async_commit() { detail::commit_async(); }
template <int N>
__forceinline__ void cp_async_wait() {
  detail::wait_async(N);
}

template <int N>
__forceinline__ void ldmatrix(unsigned (&r)[N], const void* row, SIMT_HERE) {
  static_assert(N == 1 || N == 2 || N == 4, "ldmatrix loads 1, 2 or 4 matrices");
  detail::load_matrices(r, N, false, row, {"ldmatrix", file, line});
}
template <int N>
__forceinline__ void ldmatrix_trans(unsigned (&r)[N], const void* row, SIMT_HERE) {
  static_assert(N == 1 || N == 2 || N == 4, "ldmatrix loads 1, 2 or 4 matrices");
  detail::load_matrices(r, N, true, row, {"ldmatrix_trans", file, line});
}

__forceinline__ void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], SIMT_HERE) {
  detail::multiply_accumulate(detail::MmaShape::bf16_m16n8k16, d, a, b, {"mma_bf16", file, line});
}
__forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], SIMT_HERE) {
  detail::multiply_accumulate(detail::MmaShape::tf32_m16n8k8, d, a, b, {"mma_tf32", file, line});
}
__forceinline__ unsigned to_tf32(float x) {
  const unsigned u = std::bit_cast<unsigned>(x);
  const bool finite = (u & 0x7F800000u) != 0x7F800000u;
  return finite ? (u + 0x1000u) & 0xFFFFE000u : u;  // to nearest, ties away from zero
}
__forceinline__ unsigned to_bf16x2(float low, float high) {
  return imago::bfloat16(low).bits | static_cast<unsigned>(imago::bfloat16(high).bits) << 16;
}

}  // namespace simt
