// The sum of all rows. A block adds up some rows of some columns; where several share a column, a second kernel adds up
// their sums.
#include "kernels/sum_rows.h"

#include <algorithm>
#include <bit>

#include "kernels/cuda/device/sum_parts.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kRowsPerThread = 32;  // at least, before rows go to another block
constexpr int64_t kEnoughBlocks = 528;  // four for each multiprocessor of an H200

struct SumRowsPlan {
  int64_t M, C, rows_per_block;
  int columns;  // threads side by side, each with a pack of columns; a power of two that divides kThreads
};

// x (M, C) to y (gridDim.y, C): row b is the sum of the rows of block b. The second bound lets ptxas take
// the registers it needs; left alone it takes 40 and spills.
template <int N, typename In, typename Out>
__global__ void __launch_bounds__(kThreads, 4)
    sum_rows_kernel(const In* __restrict__ x, Out* __restrict__ y, SumRowsPlan plan) {
  using A = Accumulator<In>;
  SIMT_SHARED(A, sums, [kThreads][N]);
  const int t = static_cast<int>(threadIdx.x), lanes = kThreads / plan.columns, lane = t / plan.columns;
  const int64_t c = (int64_t{blockIdx.x} * plan.columns + t % plan.columns) * N;
  const int64_t begin = blockIdx.y * plan.rows_per_block;
  const int64_t end = begin + plan.rows_per_block < plan.M ? begin + plan.rows_per_block : plan.M;

  constexpr int kShort = 8;  // short sums first: a long one would lose the digits of small terms
  A total[N] = {};
  if (c < plan.C) {
    for (int64_t row = begin + lane; row < end; row += int64_t{kShort} * lanes) {
      A part[N] = {};
#pragma unroll
      for (int i = 0; i < kShort; ++i) {
        if (row + i * lanes >= end) break;
        const Pack<In, N> values = load_pack<N>(x + (row + i * lanes) * plan.C + c);
        for (int k = 0; k < N; ++k) part[k] += A(values.v[k]);
      }
      for (int k = 0; k < N; ++k) total[k] += part[k];
    }
  }
  for (int k = 0; k < N; ++k) sums[t][k] = total[k];
  __syncthreads();
  for (int half = lanes / 2; half > 0; half /= 2) {
    if (lane < half)
      for (int k = 0; k < N; ++k) sums[t][k] += sums[t + half * plan.columns][k];
    __syncthreads();
  }
  if (lane == 0 && c < plan.C)
    for (int k = 0; k < N; ++k) y[blockIdx.y * plan.C + c + k] = Out(sums[t][k]);
}

template <int N, typename In, typename Out>
void launch(const In* x, Out* y, const SumRowsPlan& plan, int64_t blocks, Stream stream) {
  const int64_t tiles = divide_up(plan.C, int64_t{plan.columns} * N);
  const dim3 grid(grid_of(tiles).x, static_cast<unsigned>(blocks));
  simt::launch(sum_rows_kernel<N, In, Out>, grid, dim3(kThreads), 0, stream_of(stream), x, y, plan);
}

template <int N, typename T>
void sum_rows_of(const SumRows& p, Stream stream) {
  using A = Accumulator<T>;
  const T* x = static_cast<const T*>(p.x);
  A* y = static_cast<A*>(p.y);
  const auto packs = static_cast<uint64_t>(divide_up(p.C, N));
  const int columns = static_cast<int>(std::min<uint64_t>(32, std::bit_ceil(packs)));
  const int64_t lanes = kThreads / columns, tiles = divide_up(p.C, int64_t{columns} * N);
  const int64_t wanted = std::min(divide_up(kEnoughBlocks, tiles), divide_up(p.M, lanes * kRowsPerThread));
  const int64_t rows = divide_up(p.M, wanted), blocks = divide_up(p.M, rows);
  const SumRowsPlan plan{p.M, p.C, rows, columns};
  if (blocks == 1) return launch<N>(x, y, plan, 1, stream);
  const Workspace<A> parts(blocks * p.C);
  launch<N>(x, parts.data(), plan, blocks, stream);
  sum_parts<A>(parts.data(), y, blocks, p.C, stream);
}

}  // namespace

void sum_rows(const SumRows& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "sum_rows", [&]<typename T>() {
    visit_pack<T>(pack_width<T>(p.C, static_cast<const T*>(p.x)), [&]<int N>() { sum_rows_of<N, T>(p, stream); });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
