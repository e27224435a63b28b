// What the kernels of attention share. A block owns a tile of rows of one head (queries, or keys where their gradients
// are computed) and goes along the other side tile by tile; what it needs of q, k, v and dy passes through shared
// memory, and the scores of a pair of tiles exist in registers only (Dao et al. 2022, arXiv:2205.14135).
//
// The algorithms are written once, for two ways of computing, Scalar and TensorCore. Both have
//   T, A                 the elements' type, the sums' type
//   kTile, kWidth        a tile has kTile rows and kWidth columns; heads that are wider are walked piece by piece
//   kThreads, kTeam      threads of a block; those that share a row: neighbours in one warp
//   kBlocks              how many blocks a multiprocessor should have registers for
//   Sums<COLUMNS>        a thread's part of (kTile, COLUMNS) sums: sums.at(i, j), i < kRows, j < Sums::kColumns
//   row(i), column(j)    where that is
//   multiply_rows        sums += a b^T, for tiles a, b
//   multiply             sums += weights x, for weights (kTile, kTile) and a tile x
#pragma once

#include <cmath>

#include "kernels/attention.h"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/tile_mma.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// ---- scalar arithmetic: exact products, every type ----

// 16 x 16 threads, each with every 16th row and column.
template <typename T_, int TILE, int WIDTH>
struct ScalarAttention {
  using T = T_;
  using A = Accumulator<T>;
  static constexpr int kTile = TILE, kWidth = WIDTH, kThreads = 256, kTeam = 16, kRows = TILE / 16;
  static constexpr int kBlocks = 1;
  using Tile = SharedTile<T, Major::k, kTile, kWidth>;
  static constexpr int kPitch = kTile + kPack<A>;  // of the weights
  static constexpr int kScratchBytes = kTile * kPitch * static_cast<int>(sizeof(A));

  template <int COLUMNS>
  struct Sums {
    static constexpr int kColumns = COLUMNS / 16;
    A v[kRows][kColumns] = {};
    __device__ __forceinline__ A& at(int i, int j) { return v[i][j]; }
    __device__ __forceinline__ A at(int i, int j) const { return v[i][j]; }
  };
  using Scores = Sums<kTile>;
  using Outputs = Sums<kWidth>;

  A* weights;  // (kTile, kPitch), shared: threads read what others of their team computed

  __device__ explicit ScalarAttention(unsigned char* scratch) : weights(reinterpret_cast<A*>(scratch)) {}
  static __device__ __forceinline__ int row(int i) { return static_cast<int>(threadIdx.x) / 16 + i * 16; }
  static __device__ __forceinline__ int column(int j) { return static_cast<int>(threadIdx.x) % 16 + j * 16; }

  __device__ __forceinline__ void multiply_rows(Scores& sums, const Tile& a, const Tile& b) const {
    constexpr int P = kPack<T>;
#pragma unroll 2
    for (int c = 0; c < kWidth; c += P) {
      Pack<T, P> left[kRows], right[Scores::kColumns];
#pragma unroll
      for (int i = 0; i < kRows; ++i) left[i] = load_pack<P>(a.at(row(i), c));
#pragma unroll
      for (int j = 0; j < Scores::kColumns; ++j) right[j] = load_pack<P>(b.at(column(j), c));
#pragma unroll
      for (int i = 0; i < kRows; ++i)
#pragma unroll
        for (int j = 0; j < Scores::kColumns; ++j)
#pragma unroll
          for (int e = 0; e < P; ++e) sums.v[i][j] += A(left[i].v[e]) * A(right[j].v[e]);
    }
  }

  __device__ __forceinline__ void multiply(Outputs& sums, const Scores& scores, const Tile& x) const {
    constexpr int P = kPack<A>;
    __syncwarp();  // the weights before these have been read
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < Scores::kColumns; ++j) weights[row(i) * kPitch + column(j)] = scores.v[i][j];
    __syncwarp();
#pragma unroll 2
    for (int s = 0; s < kTile; s += P) {
      Pack<A, P> left[kRows];
#pragma unroll
      for (int i = 0; i < kRows; ++i) left[i] = load_pack<P>(weights + row(i) * kPitch + s);
#pragma unroll
      for (int e = 0; e < P; ++e)
#pragma unroll
        for (int j = 0; j < Outputs::kColumns; ++j) {
          const A right = A(*x.at(s + e, column(j)));
#pragma unroll
          for (int i = 0; i < kRows; ++i) sums.v[i][j] += left[i].v[e] * right;
        }
    }
  }
};

// ---- tensor cores: bf16, sums in f32 ----

// Four warps, each with 16 of 64 rows. The sums of one product have the layout that the next one wants its left operand
// in, so that weights need not leave their registers.
template <int WIDTH>
struct TensorCoreAttention {
  using T = bfloat16;
  using A = float;
  static constexpr int kTile = 64, kWidth = WIDTH, kThreads = 128, kTeam = 4, kRows = 2;
  static constexpr int kBlocks = WIDTH < 64 ? 3 : 2;
  using Tile = SharedTile<T, Major::k, kTile, kWidth>;
  static constexpr int kScratchBytes = 0;

  template <int COLUMNS>
  struct Sums {
    static constexpr int kColumns = COLUMNS / 4;
    float v[COLUMNS / 8][4] = {};  // as mma_bf16 has them
    __device__ __forceinline__ float& at(int i, int j) { return v[j / 2][i * 2 + j % 2]; }
    __device__ __forceinline__ float at(int i, int j) const { return v[j / 2][i * 2 + j % 2]; }
  };
  using Scores = Sums<kTile>;
  using Outputs = Sums<kWidth>;

  __device__ explicit TensorCoreAttention(unsigned char*) {}
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int first_row() { return static_cast<int>(threadIdx.x) / 32 * 16; }
  static __device__ __forceinline__ int row(int i) { return first_row() + lane() / 4 + i * 8; }
  static __device__ __forceinline__ int column(int j) { return j / 2 * 8 + lane() % 4 * 2 + j % 2; }

  template <int COLUMNS>
  static __device__ __forceinline__ void add(Sums<COLUMNS>& sums, int n, const unsigned (&a)[4],
                                             const unsigned (&b)[4]) {
    simt::mma_bf16(sums.v[n / 8], a, {b[0], b[1]});
    simt::mma_bf16(sums.v[n / 8 + 1], a, {b[2], b[3]});
  }

  __device__ __forceinline__ void multiply_rows(Scores& sums, const Tile& a_tile, const Tile& b_tile) const {
#pragma unroll
    for (int c = 0; c < kWidth; c += 16) {
      unsigned a[4], b[4];
      simt::ldmatrix(a, a_tile.at(first_row() + lane() % 16, c + lane() / 16 * 8));
#pragma unroll
      for (int n = 0; n < kTile; n += 16) {
        simt::ldmatrix(b, b_tile.at(n + lane() / 16 * 8 + lane() % 8, c + lane() / 8 % 2 * 8));
        add(sums, n, a, b);
      }
    }
  }

  __device__ __forceinline__ void multiply(Outputs& sums, const Scores& weights, const Tile& x) const {
#pragma unroll
    for (int s = 0; s < kTile; s += 16) {
      const float(&low)[4] = weights.v[s / 8], (&high)[4] = weights.v[s / 8 + 1];
      const unsigned a[4] = {simt::to_bf16x2(low[0], low[1]), simt::to_bf16x2(low[2], low[3]),
                             simt::to_bf16x2(high[0], high[1]), simt::to_bf16x2(high[2], high[3])};
#pragma unroll
      for (int n = 0; n < kWidth; n += 16) {
        unsigned b[4];
        simt::ldmatrix_trans(b, x.at(s + lane() % 16, n + lane() / 16 * 8));
        add(sums, n, a, b);
      }
    }
  }
};

// ---- what both are used with ----

// One head of q, k, v, ... of one sample: `count` rows of d columns, `step` apart. Positions in it have 32 bits.
template <typename T>
struct HeadRows {
  T* origin;
  int step, count, d;
};
// Head `head` of all N * H in x (N, L, C).
template <typename T>
__host__ __device__ __forceinline__ HeadRows<T> head_rows(T* x, int64_t head, int64_t L, int64_t C, int64_t H) {
  const int64_t d = C / H;
  return {x + head / H * L * C + head % H * d, static_cast<int>(C), static_cast<int>(L), static_cast<int>(d)};
}

// A block's tile of rows of one head, and which kWidth columns of the result it computes.
struct AttentionTask {
  int64_t head;
  int row, piece, pieces;

  __device__ AttentionTask(int64_t rows, int d, int tile, int width) {
    const int64_t tiles = (rows + tile - 1) / tile;
    pieces = (d + width - 1) / width;
    piece = static_cast<int>(blockIdx.x % pieces);
    row = static_cast<int>(blockIdx.x / pieces % tiles * tile);
    head = blockIdx.x / pieces / tiles;
  }
};
template <typename Method>
dim3 attention_grid(int64_t heads, int64_t rows, int64_t d) {
  return grid_of(heads * divide_up(rows, Method::kTile) * divide_up(d, Method::kWidth));
}

// Begins to copy rows from `row` on, columns from `column` on; zeros where there are none. V: elements at a time.
template <typename Method, int V>
__device__ __forceinline__ void fetch_rows(const typename Method::Tile& tile,
                                           const HeadRows<const typename Method::T>& x, int row, int column) {
  using Source = MatrixRows<typename Method::T, typename Method::Tile, V, Method::kThreads>;
  Source source(x.origin + int64_t{row} * x.step, x.step, x.count - row, column, x.d);
  fetch<Method::kThreads>(tile, source);
}
__device__ __forceinline__ void finish_fetch() {
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  __syncthreads();
}

// A piece of shared memory of a block, `bytes` behind the start.
template <typename Method>
__device__ __forceinline__ typename Method::Tile tile_at(unsigned char* memory, int number) {
  return {reinterpret_cast<typename Method::T*>(memory + number * Method::Tile::kBytes)};
}

template <typename Method>
__device__ __forceinline__ void store_rows(const HeadRows<typename Method::T>& y, int row, int column,
                                           const typename Method::Outputs& sums) {
#pragma unroll
  for (int i = 0; i < Method::kRows; ++i)
#pragma unroll
    for (int j = 0; j < Method::Outputs::kColumns; ++j) {
      const int r = row + Method::row(i), c = column + Method::column(j);
      if (r < y.count && c < y.d) y.origin[int64_t{r} * y.step + c] = typename Method::T(sums.at(i, j));
    }
}

// Runs f.operator()<Method, V>() with the way of computing for heads of d columns; V elements are copied at a time.
// WIDEST: columns of a piece on tensor cores, as registers allow.
template <int WIDEST, typename F>
void visit_attention(DType dtype, int64_t d, bool aligned, F&& f) {
  if (dtype == DType::f64) return f.template operator()<ScalarAttention<double, 32, 32>, 1>();
  if (dtype == DType::f32) {
    if (!aligned) return f.template operator()<ScalarAttention<float, 64, 64>, 1>();
    if (d <= 16) return f.template operator()<ScalarAttention<float, 64, 16>, 4>();
    return f.template operator()<ScalarAttention<float, 64, 64>, 4>();
  }
  if (dtype != DType::bf16) unsupported_dtype("attention", dtype);
  if (!aligned) return f.template operator()<TensorCoreAttention<64>, 1>();
  if (d <= 16) return f.template operator()<TensorCoreAttention<16>, 8>();
  if (d <= 32) return f.template operator()<TensorCoreAttention<32>, 8>();
  if (d <= 64) return f.template operator()<TensorCoreAttention<64>, 8>();
  f.template operator()<TensorCoreAttention<WIDEST>, 8>();
}

// Rows and columns are counted in 32 bits.
inline void check_attention_extents(int64_t T, int64_t S, int64_t C) {
  constexpr int64_t kMost = int64_t{1} << 30;
  IMAGO_CHECK(T <= kMost && S <= kMost && C <= kMost, "attention: T, S and C must be at most 2^30, got ", T, ", ", S,
              " and ", C);
}

// Whether heads of d columns can be copied 16 bytes at a time.
template <typename... P>
bool heads_aligned(DType dtype, int64_t d, const P*... pointers) {
  const auto bits = (reinterpret_cast<uintptr_t>(pointers) | ...);
  return bits % 16 == 0 && static_cast<size_t>(d) * size_of(dtype) % 16 == 0;
}

}  // namespace imago::kernels::IMAGO_BACKEND
