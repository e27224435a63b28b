// Matrix products: which kernel, and how the work is dealt out.
#include "kernels/matmul.h"

#include <algorithm>

#include "kernels/cuda/matmul.cuh"
#include "kernels/precision.h"

namespace imago::kernels::IMAGO_BACKEND {

MatmulPlan plan_matmul(const Matmul& p, int rows, int cols, int inner) {
  constexpr int64_t kEnoughBlocks = 264;  // two for each multiprocessor of an H200
  constexpr int64_t kShortestPart = 256;  // of the inner extent: shorter parts cost more to add up than they save
  const bool summed = p.c_step == 0;
  MatmulPlan plan{};
  plan.products = summed ? 1 : p.batch;
  plan.terms = summed ? p.batch : 1;
  plan.row_tiles = divide_up(p.M, rows);
  plan.col_tiles = divide_up(p.N, cols);
  plan.inner_steps = divide_up(p.K, inner);
  const int64_t tiles = plan.products * plan.row_tiles * plan.col_tiles, steps = plan.terms * plan.inner_steps;
  const int64_t wanted = std::max<int64_t>(1, kEnoughBlocks / tiles);
  const int64_t most = std::max<int64_t>(1, steps * inner / kShortestPart);
  plan.steps_per_part = std::max<int64_t>(1, divide_up(steps, std::min(wanted, most)));
  plan.parts = std::max<int64_t>(1, divide_up(steps, plan.steps_per_part));
  return plan;
}

void matmul(const Matmul& p, Stream stream) {
  const bool one_term = p.c_step != 0 || p.batch == 1;
  if (one_term && !(p.transpose_a && p.transpose_b)) {
    if (p.dtype == DType::bf16) return matmul_bf16(p, stream);
    const bool rounds = p.dtype == DType::f32 && matmul_precision() == MatmulPrecision::tf32;
    if (rounds && matmul_vectors<float>(p)) return matmul_tf32(p, stream);
  }
  matmul_exact(p, stream);
}

}  // namespace imago::kernels::IMAGO_BACKEND
