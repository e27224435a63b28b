// The scalar counterpart of TensorCoreProduct (tile_mma.cuh): products of f32 in full precision. Every thread keeps a
// tile of sums in registers, so that each operand that it reads from shared memory is used many times.
#pragma once

#include "kernels/cuda/device/tile_mma.cuh"

namespace imago::kernels::IMAGO_BACKEND {

template <typename Tile_, Major A_MAJOR, Major B_MAJOR>
struct ScalarProduct {
  using Tile = Tile_;
  using T = typename Tile::T;
  using ATile = SharedTile<T, A_MAJOR, Tile::M, Tile::K>;
  using BTile = SharedTile<T, B_MAJOR, Tile::N, Tile::K>;
  static constexpr int kThreadsM = Tile::kWarpsM * 4, kThreadsN = Tile::kWarpsN * 8;  // a warp is 4 x 8 threads
  static constexpr int kM = Tile::M / kThreadsM, kN = Tile::N / kThreadsN;            // sums of a thread
  static constexpr int kWidth = kPack<T>;
  static constexpr int kStoreBytes = 0, kMinBlocks = 1;
  static_assert(kM % kWidth == 0 && kN % kWidth == 0);

  T sums[kM][kN] = {};

  static __device__ int thread_m() {
    return static_cast<int>(threadIdx.x) / 32 / Tile::kWarpsN * 4 + static_cast<int>(threadIdx.x) % 32 / 8;
  }
  static __device__ int thread_n() {
    return static_cast<int>(threadIdx.x) / 32 % Tile::kWarpsN * 8 + static_cast<int>(threadIdx.x) % 8;
  }

  // Which row (column) of the tile is the i-th of a thread, one of `threads`: neighbours where pieces of 16 bytes lie
  // along them, else such that neighbouring threads have neighbouring rows.
  template <Major MAJOR>
  static __device__ __forceinline__ int index(int i, int thread, int threads) {
    if constexpr (MAJOR == Major::k) return thread + i * threads;
    return (i / kWidth * threads + thread) * kWidth + i % kWidth;
  }

  // The thread's share of an operand for kWidth neighbouring k.
  template <int COUNT, typename SharedTile>
  static __device__ __forceinline__ void load(T (&out)[COUNT][kWidth], const SharedTile& tile, int k, int thread,
                                              int threads) {
    constexpr Major kMajor = SharedTile::kMajor;
#pragma unroll
    for (int i = 0; i < COUNT; i += kMajor == Major::k ? 1 : kWidth)
#pragma unroll
      for (int e = 0; e < (kMajor == Major::k ? 1 : kWidth); ++e) {
        const int at = index<kMajor>(i, thread, threads);
        const Pack<T, kWidth> piece = load_pack<kWidth>(kMajor == Major::k ? tile.at(at, k) : tile.at(k + e, at));
#pragma unroll
        for (int f = 0; f < kWidth; ++f) (kMajor == Major::k ? out[i][f] : out[i + f][e]) = piece.v[f];
      }
  }

  __device__ __forceinline__ void multiply(const ATile& a_tile, const BTile& b_tile) {
    const int m = thread_m(), n = thread_n();
#pragma unroll 2
    for (int k = 0; k < Tile::K; k += kWidth) {
      T a[kM][kWidth], b[kN][kWidth];
      load(a, a_tile, k, m, kThreadsM);
      load(b, b_tile, k, n, kThreadsN);
#pragma unroll
      for (int e = 0; e < kWidth; ++e)
#pragma unroll
        for (int i = 0; i < kM; ++i)
#pragma unroll
          for (int j = 0; j < kN; ++j) sums[i][j] += a[i][e] * b[j][e];
    }
  }

  template <typename Store>
  __device__ __forceinline__ void store(unsigned char*, const Store& store) const {
    const int m = thread_m(), n = thread_n();
#pragma unroll
    for (int i = 0; i < kM; ++i)
#pragma unroll
      for (int j = 0; j < kN; ++j)
        store.template put<1>(index<A_MAJOR>(i, m, kThreadsM), index<B_MAJOR>(j, n, kThreadsN), &sums[i][j]);
  }
};

}  // namespace imago::kernels::IMAGO_BACKEND
