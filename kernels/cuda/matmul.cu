// Matrix products: which kernel, and how the work is dealt out.
#include "kernels/matmul.h"

#include <algorithm>

#include "kernels/cuda/matmul.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kEnoughBlocks = 264;   // two for each multiprocessor of an H200
constexpr int64_t kShortestPart = 256;   // of the inner extent: below, a part costs more to add up than it saves
constexpr int kColumns = 32, kSlices = kThreads / kColumns;

// 32 elements a block; kSlices threads for each add up every kSlices-th part.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_matmul_parts_kernel(const Accumulator<T>* __restrict__ parts, const T* __restrict__ bias, T* __restrict__ c,
                            int64_t count, int64_t MN, int64_t N) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, sums, [kSlices][kColumns]);
  const int column = static_cast<int>(threadIdx.x) % kColumns, slice = static_cast<int>(threadIdx.x) / kColumns;
  const int64_t product = blockIdx.y, i = int64_t{blockIdx.x} * kColumns + column;
  A sum = 0;
  if (i < MN)
    for (int64_t part = slice; part < count; part += kSlices) sum += parts[(product * count + part) * MN + i];
  sums[slice][column] = sum;
  __syncthreads();
  if (slice > 0 || i >= MN) return;
  for (int k = 1; k < kSlices; ++k) sum += sums[k][column];
  c[product * MN + i] = T(sum + (bias ? A(bias[i % N]) : A(0)));
}

}  // namespace

MatmulPlan plan_matmul(const Matmul& p, int rows, int cols, int inner) {
  const bool summed = p.c_step == 0;
  MatmulPlan plan{};
  plan.products = summed ? 1 : p.batch;
  plan.terms = summed ? p.batch : 1;
  plan.row_tiles = divide_up(p.M, rows);
  plan.col_tiles = divide_up(p.N, cols);
  plan.inner_steps = divide_up(p.K, inner);
  const int64_t tiles = plan.products * plan.row_tiles * plan.col_tiles, steps = plan.terms * plan.inner_steps;
  const int64_t most = std::max<int64_t>(1, steps * inner / kShortestPart);
  plan.steps_per_part = std::max<int64_t>(1, divide_up(steps, std::min(divide_up(kEnoughBlocks, tiles), most)));
  plan.parts = std::max<int64_t>(1, divide_up(steps, plan.steps_per_part));
  return plan;
}

template <typename T>
void add_matmul_parts(const Matmul& p, const MatmulPlan& plan, const Accumulator<T>* parts, Stream stream) {
  const dim3 grid(grid_of(divide_up(p.M * p.N, kColumns)).x, static_cast<unsigned>(plan.products));
  simt::launch(add_matmul_parts_kernel<T>, grid, dim3(kThreads), 0, stream_of(stream), parts,
               static_cast<const T*>(p.bias), static_cast<T*>(p.c), plan.parts, p.M * p.N, p.N);
}
template void add_matmul_parts<float>(const Matmul&, const MatmulPlan&, const float*, Stream);
template void add_matmul_parts<double>(const Matmul&, const MatmulPlan&, const double*, Stream);
template void add_matmul_parts<bfloat16>(const Matmul&, const MatmulPlan&, const float*, Stream);

void matmul(const Matmul& p, Stream stream) { matmul_exact(p, stream); }

}  // namespace imago::kernels::IMAGO_BACKEND
