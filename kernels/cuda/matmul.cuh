// What the kernels of matmul share: how the work is dealt out to blocks, and the sum of its parts.
#pragma once

#include "kernels/cuda/device/launch.cuh"
#include "kernels/matmul.h"

namespace imago::kernels::IMAGO_BACKEND {

// c = the sum over `terms` products of `inner_steps` steps each; a step is as many k as a tile takes at once. A block has
// one tile of c, and all steps or one part of them: a weight gradient is small, but summed over all pixels of a batch.
// Depends on the shapes only, and so do the bits of the result.
struct MatmulPlan {
  int64_t products, terms;  // of Matmul::batch: one of them is 1
  int64_t row_tiles, col_tiles;
  int64_t inner_steps;
  int64_t parts, steps_per_part;
  int64_t blocks() const { return products * parts * row_tiles * col_tiles; }
};
MatmulPlan plan_matmul(const Matmul& p, int rows, int cols, int inner);

// Which tile and which steps are this block's.
struct MatmulTask {
  int64_t product, part, row, col;  // row and col in tiles
  int64_t first_step, last_step;

  __device__ explicit MatmulTask(const MatmulPlan& plan) {
    int64_t task = blockIdx.x;
    col = task % plan.col_tiles;
    task /= plan.col_tiles;
    row = task % plan.row_tiles;
    task /= plan.row_tiles;
    part = task % plan.parts;
    product = task / plan.parts;
    const int64_t steps = plan.terms * plan.inner_steps, last = (part + 1) * plan.steps_per_part;
    first_step = part * plan.steps_per_part;
    last_step = last < steps ? last : steps;
  }
};

// c (products, M, N) = bias + the sum of parts (products, plan.parts, M, N), in order.
template <typename T>
void add_matmul_parts(const Matmul& p, const MatmulPlan& plan, const Accumulator<T>* parts, Stream stream);

// The rungs: each takes every shape. FFMA units, exact products of T:
void matmul_exact(const Matmul& p, Stream stream);

}  // namespace imago::kernels::IMAGO_BACKEND
