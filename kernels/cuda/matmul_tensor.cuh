// Matrix products on tensor cores, for one type of operands.
#pragma once

#include "kernels/cuda/device/sum_parts.cuh"
#include "kernels/cuda/device/tile_mma.cuh"
#include "kernels/cuda/matmul.cuh"

namespace imago::kernels::IMAGO_BACKEND {

template <typename T>
struct TensorMatmul {
  const T *a, *b;  // (products, M, K) or (products, K, M)  (products, K, N) or (products, N, K)
  int64_t a_step, b_step;
  int64_t M, N, K;
  MatmulStore<T> store;
  MatmulPlan plan;
};

// The source of tiles of an operand of `extent` rows (of a) or columns (of b), from `first` on.
template <typename Tile, int VECTOR, int THREADS, typename T>
__device__ auto matrix_source(const T* x, int64_t extent, int64_t K, int64_t first, int64_t k, int64_t k_end) {
  if constexpr (Tile::kMajor == Major::k)
    return MatrixRows<T, Tile, VECTOR, THREADS>(x + first * K, K, extent - first, k, k_end);
  else
    return MatrixColumns<T, Tile, VECTOR, THREADS>(x + first, extent, extent - first, k, k_end);
}

template <typename Product, int VECTOR>
__global__ void __launch_bounds__(Product::Tile::kThreads, Product::kMinBlocks)
    matmul_tensor_kernel(const TensorMatmul<typename Product::Tile::T> p) {
  using Tile = typename Product::Tile;
  SIMT_DYNAMIC_SHARED(unsigned char, memory);
  const MatmulTask task(p.plan);
  const auto store = p.store.at(task, Tile::M, Tile::N);
  const int64_t k = task.first_step * Tile::K, k_end = task.last_step * Tile::K < p.K ? task.last_step * Tile::K : p.K;
  auto a = matrix_source<typename Product::ATile, VECTOR, Tile::kThreads>(p.a + task.product * p.a_step, p.M, p.K,
                                                                          store.row, k, k_end);
  auto b = matrix_source<typename Product::BTile, VECTOR, Tile::kThreads>(p.b + task.product * p.b_step, p.N, p.K,
                                                                          store.col, k, k_end);
  multiply_tiles<Product>(a, b, static_cast<int>(task.last_step - task.first_step), memory, store);
}

// Runs f.operator()<Tile, VECTOR>() with tiles as large as still give every multiprocessor a block.
template <typename T, typename F>
void visit_matmul_tile(const Matmul& p, F&& f) {
  constexpr int64_t kEnoughBlocks = 132;
  constexpr int V = kPack<T>, K = TileShape<T, 64, 64, 2, 2, 3>::K;
  if constexpr (dtype_of<T> == DType::bf16)
    if (!matmul_vectors<T>(p)) return f.template operator()<TileShape<T, 64, 64, 2, 2, 1>, 1>();
  const auto enough = [&](int rows, int cols) { return plan_matmul(p, rows, cols, K).blocks() >= kEnoughBlocks; };
  if (p.M > 64 && p.N > 64 && enough(128, 128)) return f.template operator()<TileShape<T, 128, 128, 2, 4, 3>, V>();
  if (p.M > 64 && enough(128, 64)) return f.template operator()<TileShape<T, 128, 64, 2, 2, 3>, V>();
  f.template operator()<TileShape<T, 64, 64, 2, 2, 3>, V>();
}

template <typename T, Major A_MAJOR, Major B_MAJOR>
void matmul_tensor(const Matmul& p, Stream stream) {
  visit_matmul_tile<T>(p, [&]<typename Tile, int VECTOR>() {
    using Product = TensorCoreProduct<Tile, A_MAJOR, B_MAJOR>;
    const MatmulPlan plan = plan_matmul(p, Tile::M, Tile::N, Tile::K);
    const Workspace<float> partial(partial_size(p, plan));
    const TensorMatmul<T> body{.a = static_cast<const T*>(p.a),
                               .b = static_cast<const T*>(p.b),
                               .a_step = p.a_step,
                               .b_step = p.b_step,
                               .M = p.M,
                               .N = p.N,
                               .K = p.K,
                               .store = matmul_store<T>(p, plan, partial.data()),
                               .plan = plan};
    simt::launch(matmul_tensor_kernel<Product, VECTOR>, grid_of(plan.blocks()), dim3(Tile::kThreads),
                 kTileBytes<Product>, stream_of(stream), body);
    sum_matmul_parts<T>(p, plan, partial.data(), stream);
  });
}

template <typename T>
void matmul_tensor(const Matmul& p, Stream stream) {
  if (p.transpose_a) return matmul_tensor<T, Major::mn, Major::mn>(p, stream);
  if (p.transpose_b) return matmul_tensor<T, Major::k, Major::k>(p, stream);
  matmul_tensor<T, Major::k, Major::mn>(p, stream);
}

}  // namespace imago::kernels::IMAGO_BACKEND
