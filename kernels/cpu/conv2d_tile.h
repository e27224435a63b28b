// The register tiles that all convolutions are made of: P rows times V vectors of running sums that stay in registers
// while the sum is long. Everything here is forced inline: a tile is fast only if its loops over P and V disappear.
#pragma once

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace conv2d {

// 32 vector registers hold tiles of up to 8 x 3 or 6 x 4, 16 hold 6 x 2 or 8 x 1; at least eight sums are needed to
// keep two fused multiply-adds of latency four busy.
#if defined(__AVX512F__)
inline constexpr int kMaxVectors = 4;
template <int V>
inline constexpr int kRows = V == 4 ? 6 : 8;
#else
inline constexpr int kMaxVectors = 2;
template <int V>
inline constexpr int kRows = V == 2 ? 6 : 8;
#endif

// The first n of a vector's lanes; the others read as zero, or are left alone.
template <typename T>
inline Vec<T> load_part(const T* p, int64_t n) {
  Vec<T> v{};
  std::memcpy(&v, p, static_cast<size_t>(n) * sizeof(T));
  return v;
}
template <typename T>
inline void store_part(T* p, Vec<T> v, int64_t n) {
  std::memcpy(p, &v, static_cast<size_t>(n) * sizeof(T));
}

template <typename T>
inline T lane_sum(Vec<T> v) {
  T sum = 0;
  for (int l = 0; l < kLanes<T>; ++l) sum += v[l];
  return sum;
}

// sums[p][v] += a(p, k) * b[k][v] for k in [0, steps), where a(p, k) is the scalar a[p][k * a_step] and b moves on by
// b_step. A pointer per row: the rows may lie anywhere.
template <typename T, int P, int V>
[[gnu::always_inline]] inline void multiply_rows(Vec<T> (&sums)[P][V], const T* const (&a)[P], int64_t offset,
                                                 int64_t steps, const T* b) {
  for (int64_t k = offset, end = offset + steps; k < end; ++k, b += V * kLanes<T>) {
    Vec<T> bv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) bv[v] = load(b + v * kLanes<T>);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const Vec<T> s = splat(a[p][k]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[p][v] += s * bv[v];
    }
  }
}

// The same where the rows' scalars lie next to each other: a(p, k) is a[k * a_step + p].
template <typename T, int P, int V>
[[gnu::always_inline]] inline void multiply_outer(Vec<T> (&sums)[P][V], const T* a, int64_t a_step, const T* b,
                                                  int64_t b_step, int64_t steps) {
  for (int64_t k = 0; k < steps; ++k, a += a_step, b += b_step) {
    Vec<T> bv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) bv[v] = load(b + v * kLanes<T>);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const Vec<T> s = splat(a[p]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[p][v] += s * bv[v];
    }
  }
}

// Dot products instead of outer ones: sums[p][q] += a[p][k] * b[q][k], vectors along k. steps is a multiple of the
// lanes.
template <typename T, int P, int Q>
[[gnu::always_inline]] inline void multiply_dots(Vec<T> (&sums)[P][Q], const T* const (&a)[P], int64_t offset,
                                                 int64_t steps, const T* b, int64_t b_row) {
  for (int64_t k = 0; k < steps; k += kLanes<T>) {
    Vec<T> bv[Q];
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) bv[q] = load(b + q * b_row + k);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const Vec<T> s = load(a[p] + offset + k);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) sums[p][q] += s * bv[q];
    }
  }
}

// Runs f.operator()<K>() for the K in [1, Max] that equals k.
template <int Max, typename F>
inline void with_constant(int64_t k, F&& f) {
  if constexpr (Max > 1) {
    if (k < Max) return with_constant<Max - 1>(k, f);
  }
  f.template operator()<Max>();
}

}  // namespace conv2d
}  // namespace imago::kernels::IMAGO_BACKEND
