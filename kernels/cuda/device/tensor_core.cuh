// Asynchronous copies and tensor-core operations of sm_80 as functions: inline PTX under nvcc, emulated with the exact
// fragment layouts elsewhere. Kernels contain no asm of their own.
//
//   cp_async<BYTES>(dst, src, src_bytes)  BYTES = 4, 8 or 16 from device to shared memory, both aligned to BYTES;
//                                         src_bytes of them are read, the rest of dst becomes zero
//   cp_async_commit(), cp_async_wait<N>() N: how many groups may still be on their way
//   ldmatrix(r, row), ldmatrix_trans(r, row)
//                                         unsigned r[1], r[2] or r[4]: as many 8x8 matrices of 16-bit elements; lane
//                                         8 m + i brings the address of row i of matrix m
//   mma_bf16(d, a, b)                     D (16, 8) += A (16, 16) B (16, 8), float d[4], unsigned a[4], b[2]
//   mma_tf32(d, a, b)                     D (16, 8) += A (16, 8) B (8, 8)
//   to_tf32(x)                            the nearest tf32, as mma_tf32 takes it; by itself mma_tf32 would truncate
//   to_bf16x2(low, high)                  two floats, rounded to nearest even, as mma_bf16 takes them
#pragma once

#include "kernels/cuda/device/portable.cuh"

#if defined(__CUDACC__)

namespace simt {

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

template <int BYTES>
__device__ __forceinline__ void cp_async(void* dst, const void* src, int src_bytes = BYTES) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
  if constexpr (BYTES == 16) {  // past L1
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 ::"r"(shared_address(dst)), "l"(src), "r"(src_bytes) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                 ::"r"(shared_address(dst)), "l"(src), "n"(BYTES), "r"(src_bytes) : "memory");
  }
}
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

#define SIMT_LDMATRIX(name, trans)                                                                              \
  template <int N>                                                                                              \
  __device__ __forceinline__ void name(unsigned (&r)[N], const void* row) {                                     \
    static_assert(N == 1 || N == 2 || N == 4, "ldmatrix loads 1, 2 or 4 matrices");                             \
    const unsigned s = shared_address(row);                                                                     \
    if constexpr (N == 1) {                                                                                     \
      asm volatile("ldmatrix.sync.aligned.m8n8.x1" trans ".shared.b16 {%0}, [%1];"                              \
                   : "=r"(r[0]) : "r"(s) : "memory");                                                           \
    } else if constexpr (N == 2) {                                                                              \
      asm volatile("ldmatrix.sync.aligned.m8n8.x2" trans ".shared.b16 {%0, %1}, [%2];"                          \
                   : "=r"(r[0]), "=r"(r[1]) : "r"(s) : "memory");                                               \
    } else {                                                                                                    \
      asm volatile("ldmatrix.sync.aligned.m8n8.x4" trans ".shared.b16 {%0, %1, %2, %3}, [%4];"                  \
                   : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(s) : "memory");                       \
    }                                                                                                           \
  }
SIMT_LDMATRIX(ldmatrix, "")
SIMT_LDMATRIX(ldmatrix_trans, ".trans")
#undef SIMT_LDMATRIX

#define SIMT_MMA(name, kind)                                                                      \
  __device__ __forceinline__ void name(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { \
    asm volatile("mma.sync.aligned." kind                                                         \
                 " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"               \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                 \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));             \
  }
SIMT_MMA(mma_bf16, "m16n8k16.row.col.f32.bf16.bf16.f32")
SIMT_MMA(mma_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")
#undef SIMT_MMA

__device__ __forceinline__ unsigned to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}
__device__ __forceinline__ unsigned to_bf16x2(float low, float high) {
  unsigned bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

}  // namespace simt

#else

#include "kernels/simt/tensor_core.h"

#endif
