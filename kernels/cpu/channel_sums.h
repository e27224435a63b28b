// Sums over rows, one per channel, for biases and norms: vectors run along the channels.
#pragma once

#include <algorithm>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"

namespace imago::kernels::IMAGO_BACKEND {

// sums[k * C + c], K quantities per channel, = what add(s, acc) adds to acc[k * C + c] over the rows s in [begin, end).
// 64 rows at a time are summed in T (`partial`, K * C values), these sums in double.
template <int K, typename T, typename F>
void channel_sums(int64_t begin, int64_t end, int64_t C, T* partial, double* sums, F add) {
  constexpr int64_t kRun = 64;
  std::fill(sums, sums + K * C, 0.0);
  for (int64_t s0 = begin; s0 < end; s0 += kRun) {
    std::fill(partial, partial + K * C, T(0));
    for (int64_t s = s0, stop = std::min(end, s0 + kRun); s < stop; ++s) add(s, partial);
    for (int64_t i = 0; i < K * C; ++i) sums[i] += partial[i];
  }
}

// The same over the rows [0, S), on all threads: chunks of rows, which depend on S and C only, are summed in order.
template <int K, typename T, typename F>
void parallel_channel_sums(int64_t S, int64_t C, double* sums, F add) {
  const int64_t grain = std::max<int64_t>({64, (S + 63) / 64, 32768 / (K * C)});
  const int64_t chunks = (S + grain - 1) / grain;
  const Scratch<double> chunk_sums(chunks * K * C);
  parallel_chunks(S, grain, [&](int64_t begin, int64_t end) {
    const Scratch<T> partial(K * C);
    channel_sums<K>(begin, end, C, partial.get(), chunk_sums.get() + begin / grain * K * C, add);
  });
  std::fill(sums, sums + K * C, 0.0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int64_t i = 0; i < K * C; ++i) sums[i] += chunk_sums.get()[chunk * K * C + i];
}

}  // namespace imago::kernels::IMAGO_BACKEND
