// What the kernels of matmul share: how the work is dealt out to blocks.
#pragma once

#include "kernels/cuda/device/sum_parts.cuh"
#include "kernels/matmul.h"

namespace imago::kernels::IMAGO_BACKEND {

// c = the sum over `terms` products of `inner_steps` steps each; a step is as many k as a tile takes at once. A block
// has one tile of c, and all steps or one part of them ("split-K"): a weight gradient is small, but summed over all
// pixels of a batch. The parts are added up by sum_parts. Depends on the shapes only, and so do the bits of the result.
struct MatmulPlan {
  int64_t products, terms;  // of Matmul::batch: one of them is 1
  int64_t row_tiles, col_tiles;
  int64_t inner_steps;
  int64_t parts, steps_per_part;
  int64_t blocks() const { return products * parts * row_tiles * col_tiles; }
};
MatmulPlan plan_matmul(const Matmul& p, int rows, int cols, int inner);

// Which tile and which steps are this block's. Blocks that share rows of a run at the same time.
struct MatmulTask {
  int64_t product, part, row_tile, col_tile;
  int64_t first_step, last_step;

  __device__ explicit MatmulTask(const MatmulPlan& plan) {
    int64_t task = blockIdx.x;
    col_tile = task % plan.col_tiles;
    task /= plan.col_tiles;
    row_tile = task % plan.row_tiles;
    task /= plan.row_tiles;
    part = task % plan.parts;
    product = task / plan.parts;
    const int64_t steps = plan.terms * plan.inner_steps, last = (part + 1) * plan.steps_per_part;
    first_step = part * plan.steps_per_part;
    last_step = last < steps ? last : steps;
  }
};

// Where sums go: to c with the bias, or, the first part with the bias, to the parts.
template <typename T>
struct MatmulStore {
  using A = Accumulator<T>;
  static constexpr int kVector = kPack<T>;

  T* c;             // (products, M, N)
  A* partial;       // (parts, products, M, N), or c if it is A's; null where there is one part that has to be rounded
  const T* bias;    // (N), or null
  int64_t M, N, products;
  bool packed;      // whether kVector elements can be moved at a time
  int64_t row, col;  // of the tile

  // Of the block's tile.
  __device__ MatmulStore at(const MatmulTask& task, int tile_rows, int tile_cols) const {
    MatmulStore store = *this;
    store.row = task.row_tile * tile_rows;
    store.col = task.col_tile * tile_cols;
    if (partial) store.partial += (task.part * products + task.product) * M * N;
    else store.c += task.product * M * N;
    if (task.part > 0) store.bias = nullptr;
    return store;
  }
  template <int COUNT>
  __device__ __forceinline__ void put(int m, int n, const A* sums) const {
    if (row + m >= M || col + n >= N) return;
    if (COUNT > 1 && packed) return write<COUNT>(m, n, sums);
#pragma unroll
    for (int k = 0; k < COUNT; ++k)
      if (col + n + k < N) write<1>(m, n + k, sums + k);
  }

 private:
  template <int COUNT>
  __device__ __forceinline__ void write(int m, int n, const A* sums) const {
    A total[COUNT];
#pragma unroll
    for (int k = 0; k < COUNT; ++k) total[k] = sums[k];
    if (bias) {
      const Pack<T, COUNT> values = load_pack<COUNT>(bias + col + n);
#pragma unroll
      for (int k = 0; k < COUNT; ++k) total[k] += A(values.v[k]);
    }
    const int64_t at = (row + m) * N + col + n;
    if (partial) {
      constexpr int kWidth = COUNT < kPack<A> ? COUNT : kPack<A>;
#pragma unroll
      for (int k = 0; k < COUNT; k += kWidth) {
        Pack<A, kWidth> out;
#pragma unroll
        for (int e = 0; e < kWidth; ++e) out.v[e] = total[k + e];
        store_pack(partial + at + k, out);
      }
    } else {
      Pack<T, COUNT> out;
#pragma unroll
      for (int k = 0; k < COUNT; ++k) out.v[k] = T(total[k]);
      store_pack(c + at, out);
    }
  }
};
template <typename T>
MatmulStore<T> matmul_store(const Matmul& p, const MatmulPlan& plan, Accumulator<T>* partial) {
  T* c = static_cast<T*>(p.c);
  const T* bias = static_cast<const T*>(p.bias);
  return {.c = c,
          .partial = plan.parts > 1 ? partial : p.wide ? static_cast<Accumulator<T>*>(p.c) : nullptr,
          .bias = bias,
          .M = p.M,
          .N = p.N,
          .products = plan.products,
          .packed = pack_width<T>(p.N, c, bias) > 1,
          .row = 0,
          .col = 0};
}

// Adds up the parts, if there are several.
template <typename T>
void sum_matmul_parts(const Matmul& p, const MatmulPlan& plan, const Accumulator<T>* partial, Stream stream) {
  using A = Accumulator<T>;
  const int64_t size = plan.products * p.M * p.N;
  if (plan.parts == 1) return;
  if (p.wide) return sum_parts<A>(partial, static_cast<A*>(p.c), plan.parts, size, stream);
  sum_parts<T>(partial, static_cast<T*>(p.c), plan.parts, size, stream);
}

// Memory for the parts, if there are several.
inline int64_t partial_size(const Matmul& p, const MatmulPlan& plan) {
  return plan.parts > 1 ? plan.parts * plan.products * p.M * p.N : 0;
}

// On FFMA units, factors as they are: any type, any shape.
void matmul_exact(const Matmul& p, Stream stream);

// On tensor cores. Not for two transposed operands, nor for sums over the batch; tf32 where 16 bytes can be copied at a
// time only.
void matmul_bf16(const Matmul& p, Stream stream);
void matmul_tf32(const Matmul& p, Stream stream);

// Whether all rows of a and b can be copied 16 bytes at a time.
template <typename T>
bool matmul_vectors(const Matmul& p) {
  const T *a = static_cast<const T*>(p.a), *b = static_cast<const T*>(p.b);
  return pack_width<T>(p.transpose_a ? p.M : p.K, a) > 1 && pack_width<T>(p.transpose_b ? p.K : p.N, b) > 1;
}

}  // namespace imago::kernels::IMAGO_BACKEND
