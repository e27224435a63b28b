// Matrix products by tiles: C (M, N) = A (M, K) B (K, N). A block owns a tile of C and walks along K; the tiles of A
// and B that it needs at a step are copied to shared memory several steps ahead, and multiplied by tensor cores
// (TensorCoreProduct) or by scalar arithmetic (ScalarProduct, tile_scalar.cuh).
//
// A kernel gives three things: a source for either operand (shared_tile.cuh) and what to do with the sums, a store:
//   Store::kVector                  how many neighbours of a row it is given at a time: 16 bytes of its own type
//   store.template put<N>(m, n, v)  the sums C(m, n), ..., C(m, n + N - 1) of the tile; N is kVector or 1. Called for
//                                   the whole tile: the store knows what of it exists.
//
//   using Tile = TileShape<bfloat16, 128, 128, 2, 4, 3>;
//   using Product = TensorCoreProduct<Tile, Major::k, Major::mn>;
//   SIMT_DYNAMIC_SHARED(unsigned char, memory);            // kTileBytes<Product> of them
//   MatrixRows<bfloat16, Product::ATile, 8, Tile::kThreads> a(...);
//   MatrixColumns<bfloat16, Product::BTile, 8, Tile::kThreads> b(...);
//   multiply_tiles<Product>(a, b, steps, memory, store);   // steps of Tile::K
#pragma once

#include <bit>

#include "kernels/cuda/device/shared_tile.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// A block's tile of C, split evenly among WARPS_M x WARPS_N warps; K is 128 bytes of the operands.
template <typename T_, int M_, int N_, int WARPS_M, int WARPS_N, int STAGES>
struct TileShape {
  using T = T_;
  static constexpr int M = M_, N = N_, K = 128 / static_cast<int>(sizeof(T));
  static constexpr int kWarpsM = WARPS_M, kWarpsN = WARPS_N, kThreads = 32 * WARPS_M * WARPS_N;
  static constexpr int kStages = STAGES;  // tiles of A and B in shared memory; 1: nothing is copied ahead
};

// Products of bf16, or of f32 rounded to tf32, summed in f32.
template <typename Tile_, Major A_MAJOR, Major B_MAJOR>
struct TensorCoreProduct {
  using Tile = Tile_;
  using T = typename Tile::T;
  using ATile = SharedTile<T, A_MAJOR, Tile::M, Tile::K>;
  using BTile = SharedTile<T, B_MAJOR, Tile::N, Tile::K>;
  static constexpr int kM = Tile::M / Tile::kWarpsM, kN = Tile::N / Tile::kWarpsN;  // of a warp
  static constexpr int kStep = 2 * kPack<T>;                                        // K of one instruction
  static_assert(kM % 16 == 0 && kN % 16 == 0);
  // For __launch_bounds__: two blocks of eight warps shall share a multiprocessor, which leaves a thread 128 registers.
  // Those are too few where operands are read from shared memory number by number.
  static constexpr bool kByMatrices = sizeof(T) == 2 || (A_MAJOR == Major::k && B_MAJOR == Major::k);
  static constexpr int kMinBlocks = Tile::kThreads == 256 && kByMatrices ? 2 : 1;

  // Of 16x8 products: lane 4g + t holds rows g, g, g + 8, g + 8 and columns 2t, 2t + 1, 2t, 2t + 1.
  float sums[kM / 16][kN / 8][4] = {};

  // Rows [m, m + 16) of A at [k, k + kStep), as the instruction wants them.
  static __device__ __forceinline__ void load_a(unsigned (&a)[4], const ATile& tile, int m, int k, int lane) {
    if constexpr (A_MAJOR == Major::k) {
      simt::ldmatrix(a, tile.at(m + lane % 16, k + lane / 16 * kPack<T>));
    } else if constexpr (sizeof(T) == 2) {
      simt::ldmatrix_trans(a, tile.at(k + lane / 16 * 8 + lane % 8, m + lane / 8 % 2 * 8));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        a[i] = std::bit_cast<unsigned>(*tile.at(k + lane % 4 + i / 2 * 4, m + lane / 4 + i % 2 * 8));
    }
    round(a);
  }

  // Columns [n, n + 16) of B: b[0], b[1] are the operand for the first eight, b[2], b[3] for the others.
  static __device__ __forceinline__ void load_b(unsigned (&b)[4], const BTile& tile, int n, int k, int lane) {
    if constexpr (B_MAJOR == Major::k) {
      simt::ldmatrix(b, tile.at(n + lane / 16 * 8 + lane % 8, k + lane / 8 % 2 * kPack<T>));
    } else if constexpr (sizeof(T) == 2) {
      simt::ldmatrix_trans(b, tile.at(k + lane % 16, n + lane / 16 * 8));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        b[i] = std::bit_cast<unsigned>(*tile.at(k + lane % 4 + i % 2 * 4, n + lane / 4 + i / 2 * 8));
    }
    round(b);
  }

  static __device__ __forceinline__ void round(unsigned (&r)[4]) {
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int i = 0; i < 4; ++i) r[i] = simt::to_tf32(std::bit_cast<float>(r[i]));
    }
  }

  __device__ __forceinline__ void multiply(const ATile& a_tile, const BTile& b_tile) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int m = warp / Tile::kWarpsN * kM, n = warp % Tile::kWarpsN * kN;
#pragma unroll
    for (int k = 0; k < Tile::K; k += kStep) {
      unsigned a[kM / 16][4], b[kN / 16][4];
#pragma unroll
      for (int i = 0; i < kM / 16; ++i) load_a(a[i], a_tile, m + i * 16, k, lane);
#pragma unroll
      for (int j = 0; j < kN / 16; ++j) load_b(b[j], b_tile, n + j * 16, k, lane);
#pragma unroll
      for (int i = 0; i < kM / 16; ++i)
#pragma unroll
        for (int j = 0; j < kN / 8; ++j) {
          const unsigned(&pair)[4] = b[j / 2];
          const unsigned half[2] = {pair[j % 2 * 2], pair[j % 2 * 2 + 1]};
          if constexpr (sizeof(T) == 2) simt::mma_bf16(sums[i][j], a[i], half);
          else simt::mma_tf32(sums[i][j], a[i], half);
        }
    }
  }

  // Sixteen rows at a time go through shared memory, where each warp has a place of its own, so that a thread gets
  // neighbours of one row. `memory`: kStoreBytes that nobody uses any more.
  static constexpr int kRowStep = kN + 8;  // floats; the 8 keep the lanes' pairs in different banks
  static constexpr int kStoreBytes = Tile::kWarpsM * Tile::kWarpsN * 16 * kRowStep * static_cast<int>(sizeof(float));

  template <typename Store>
  __device__ __forceinline__ void store(unsigned char* memory, const Store& store) const {
    constexpr int V = Store::kVector, kLanes = kN / V;  // threads along a row
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int m = warp / Tile::kWarpsN * kM, n = warp % Tile::kWarpsN * kN;
    float* rows = reinterpret_cast<float*>(memory) + warp * 16 * kRowStep;  // (16, kN)
#pragma unroll
    for (int i = 0; i < kM / 16; ++i) {
#pragma unroll
      for (int j = 0; j < kN / 8; ++j)
#pragma unroll
        for (int half = 0; half < 2; ++half)
          store_pack(rows + (lane / 4 + half * 8) * kRowStep + j * 8 + lane % 4 * 2,
                     Pack<float, 2>{sums[i][j][half * 2], sums[i][j][half * 2 + 1]});
      __syncwarp();
#pragma unroll
      for (int at = lane; at < 16 * kLanes; at += 32) {
        const int row = at / kLanes, column = at % kLanes * V;
        float v[V];
#pragma unroll
        for (int k = 0; k < V; k += 4) {
          const Pack<float, 4> four = load_pack<4>(rows + row * kRowStep + column + k);
#pragma unroll
          for (int e = 0; e < 4; ++e) v[k + e] = four.v[e];
        }
        store.template put<V>(m + i * 16 + row, n + column, v);
      }
      __syncwarp();
    }
  }
};

// The plain store: C is a matrix in memory.
template <typename T>
struct StoreMatrix {
  static constexpr int kVector = kPack<T>;

  T* c;  // of the tile's first element
  int64_t row_step;
  int64_t rows, columns;  // that exist from there on
  bool packed;            // whether kVector elements can be stored at a time: row_step and columns are multiples of it

  template <int N>
  __device__ __forceinline__ void put(int m, int n, const Accumulator<T>* v) const {
    if (m >= rows || n >= columns) return;
    T* to = c + m * row_step + n;
    if (N > 1 && packed) {
      Pack<T, N> out;
#pragma unroll
      for (int k = 0; k < N; ++k) out.v[k] = T(v[k]);
      store_pack(to, out);
    } else {
#pragma unroll
      for (int k = 0; k < N; ++k)
        if (n + k < columns) to[k] = T(v[k]);
    }
  }
};

// Shared memory of multiply_tiles.
template <typename Product>
inline constexpr int kTileBytes = Product::Tile::kStages * (Product::ATile::kBytes + Product::BTile::kBytes);

// The sums over `steps` tiles of K, given to `store`. All threads of the block take part.
template <typename Product, typename ASource, typename BSource, typename Store>
__device__ __forceinline__ void multiply_tiles(ASource& a, BSource& b, int steps, unsigned char* memory,
                                               const Store& store) {
  using Tile = typename Product::Tile;
  using T = typename Tile::T;
  static_assert(Product::kStoreBytes <= kTileBytes<Product>);
  constexpr int kStages = Tile::kStages, kBytes = Product::ATile::kBytes + Product::BTile::kBytes;
  const auto a_tile = [&](int stage) { return typename Product::ATile{reinterpret_cast<T*>(memory + stage * kBytes)}; };
  const auto b_tile = [&](int stage) {
    return typename Product::BTile{reinterpret_cast<T*>(memory + stage * kBytes + Product::ATile::kBytes)};
  };
  const auto fetch_to = [&](int stage) {
    fetch<Tile::kThreads>(a_tile(stage), a);
    fetch<Tile::kThreads>(b_tile(stage), b);
  };
  Product product;
  if constexpr (kStages == 1) {
    for (int step = 0; step < steps; ++step) {
      fetch_to(0);
      simt::cp_async_commit();
      simt::cp_async_wait<0>();
      __syncthreads();  // everybody's copies are there
      product.multiply(a_tile(0), b_tile(0));
      __syncthreads();  // and read
    }
  } else {
    // A group of copies is committed for each step, also behind the last one, so that waiting for all but the newest
    // kStages - 2 groups is waiting for this step's.
    for (int step = 0; step < kStages - 1; ++step) {
      if (step < steps) fetch_to(step);
      simt::cp_async_commit();
    }
    int stage = 0;
    for (int left = steps; left > 0; --left) {
      simt::cp_async_wait<kStages - 2>();
      __syncthreads();  // everybody's copies of this step are there, and the step before has been read
      if (left >= kStages) fetch_to(stage == 0 ? kStages - 1 : stage - 1);
      simt::cp_async_commit();
      product.multiply(a_tile(stage), b_tile(stage));
      stage = stage + 1 == kStages ? 0 : stage + 1;
    }
    simt::cp_async_wait<0>();
    __syncthreads();
  }
  product.store(memory, store);
}

}  // namespace imago::kernels::IMAGO_BACKEND
