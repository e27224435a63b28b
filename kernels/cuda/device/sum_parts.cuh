// The second stage of sums that were shared out among blocks: adds up the parts, in an order that does not depend on
// timing.
#pragma once

#include "kernels/cuda/device/launch.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// out[i] = sum over p of partial[p][i]. A thread adds up every kRows-th part of N neighbours, then a block's rows of
// threads are added up, each with the one half of the rows below it.
template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    sum_parts_kernel(const Accumulator<T>* __restrict__ partial, T* __restrict__ out, int64_t parts, int64_t n) {
  constexpr int kLanes = 32, kRows = kThreads / kLanes;
  SIMT_SHARED(Accumulator<T>, sums, [kRows][kLanes * N]);
  const int lane = static_cast<int>(threadIdx.x) % kLanes, row = static_cast<int>(threadIdx.x) / kLanes;
  const int64_t i = (int64_t{blockIdx.x} * kLanes + lane) * N;
  Accumulator<T> sum[N] = {};
  if (i < n) {
#pragma unroll 4
    for (int64_t p = row; p < parts; p += kRows) {
      const Pack<Accumulator<T>, N> values = load_pack<N>(partial + p * n + i);
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += values.v[k];
    }
  }
#pragma unroll
  for (int k = 0; k < N; ++k) sums[row][k * kLanes + lane] = sum[k];
#pragma unroll
  for (int half = kRows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half)
#pragma unroll
      for (int k = 0; k < N; ++k) sums[row][k * kLanes + lane] += sums[row + half][k * kLanes + lane];
  }
  if (row == 0 && i < n)
#pragma unroll
    for (int k = 0; k < N; ++k) out[i + k] = T(sums[0][k * kLanes + lane]);
}

// partial (parts, n), out (n).
template <typename T>
void sum_parts(const Accumulator<T>* partial, T* out, int64_t parts, int64_t n, Stream stream) {
  visit_pack<Accumulator<T>>(pack_width<Accumulator<T>>(n, partial), [&]<int N>() {
    simt::launch(sum_parts_kernel<T, N>, grid_of(divide_up(n, 32 * N)), dim3(kThreads), 0, stream_of(stream), partial,
                 out, parts, n);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
