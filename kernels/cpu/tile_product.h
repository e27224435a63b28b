// Small matrix products straight from the cache: nothing is packed, a tile of C stays in registers.
// For the many small products of attention, where a general GEMM would spend its time on packing.
#pragma once

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

// C (M, N) = A (M, K) B (K, N), or += where accumulate. Element (i, k) of A is
// a[i * a_row + k * a_col], so A may be transposed; rows of B and C are contiguous, b_row and c_row
// apart.
template <typename T>
struct TileProduct {
  int64_t M, N, K;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  bool accumulate = false;
};

namespace tile_detail {

template <typename T, int W>
struct Pack {
  typedef T type [[gnu::vector_size(W * sizeof(T))]];
};
template <typename T>
struct Pack<T, 1> {
  using type = T;
};

// Rows [i, i + R) and columns [j, j + V * W) of C: R * V accumulators of W lanes.
template <int R, int V, int W, typename T>
[[gnu::always_inline]] inline void tile(const TileProduct<T>& p, int64_t i, int64_t j) {
  using Lanes = typename Pack<T, W>::type;
  const T* a = p.a + i * p.a_row;
  const T* b = p.b + j;
  T* c = p.c + i * p.c_row + j;
  Lanes acc[R][V] = {};
  if (p.accumulate)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) std::memcpy(&acc[r][v], c + r * p.c_row + v * W, sizeof(Lanes));
  for (int64_t k = 0; k < p.K; ++k, a += p.a_col, b += p.b_row) {
    Lanes row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) std::memcpy(&row[v], b + v * W, sizeof(Lanes));
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const T x = a[r * p.a_row];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[r][v] += x * row[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) std::memcpy(c + r * p.c_row + v * W, &acc[r][v], sizeof(Lanes));
}

// All rows from i on, R at a time, what is left over in tiles of half the height.
template <int R, int V, int W, typename T>
void rows_from(const TileProduct<T>& p, int64_t i, int64_t j) {
  for (; i + R <= p.M; i += R) tile<R, V, W>(p, i, j);
  if constexpr (R > 1)
    if (i < p.M) rows_from<R / 2, V, W>(p, i, j);
}

// All columns from j on, V * W at a time, what is left over in narrower tiles. Eight accumulators
// hide the latency of an FMA.
template <int V, int W, typename T>
void columns_from(const TileProduct<T>& p, int64_t j) {
  for (; j + V * W <= p.N; j += V * W) rows_from<8 / V, V, W>(p, 0, j);
  if (j == p.N) return;
  if constexpr (V > 1)
    columns_from<V / 2, W>(p, j);
  else if constexpr (W > 1)
    columns_from<1, W / 2>(p, j);
}

}  // namespace tile_detail

template <typename T>
void multiply(const TileProduct<T>& p) {
  tile_detail::columns_from<2, kLanes<T>>(p, 0);
}

}  // namespace imago::kernels::IMAGO_BACKEND
