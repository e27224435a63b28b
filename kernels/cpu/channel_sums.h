// Sums over the rows of matrices (S, C), one per channel, for biases and norms: vectors run along
// the channels.
#pragma once

#include <algorithm>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"

namespace imago::kernels::IMAGO_BACKEND {

// Where a term below stands: at row s, at one vector of channels from c on or, in the tail, at the
// one channel c.
template <typename T>
struct VectorOfRow {
  int64_t s, c, C;
  Vec<T> row(const T* x) const { return load(x + s * C + c); }  // of x (S, C)
  Vec<T> channel(const T* w) const { return load(w + c); }      // of w (C)
};
template <typename T>
struct ElementOfRow {
  int64_t s, c, C;
  T row(const T* x) const { return x[s * C + c]; }
  T channel(const T* w) const { return w[c]; }
};

namespace channel_sums_detail {

// Adds the rows [begin, end) up in registers, B vectors of channels from c on, and then to sums.
template <int K, int B, typename T, typename F>
[[gnu::always_inline]] inline void add_run(int64_t begin, int64_t end, int64_t c, int64_t C,
                                           double* sums, const F& term) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> acc[B][K] = {};
  for (int64_t s = begin; s < end; ++s)
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) term(VectorOfRow<T>{s, c + b * L, C}, acc[b]);
#pragma GCC unroll 4
  for (int b = 0; b < B; ++b)
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k) {
      T lane[L];
      std::memcpy(lane, &acc[b][k], sizeof lane);
      for (int64_t i = 0; i < L; ++i) sums[k * C + c + b * L + i] += lane[i];
    }
}

}  // namespace channel_sums_detail

// sums[k * C + c], K quantities per channel, = what term(at, sum) adds to sum[k] over the rows
// [begin, end):
//   channel_sums<1, T>(0, S, C, sums, [=](auto at, auto* sum) { sum[0] += at.row(x); });
// 64 rows at a time are added up in T, and these sums in double.
template <int K, typename T, typename F>
void channel_sums(int64_t begin, int64_t end, int64_t C, double* sums, F term) {
  constexpr int64_t kRun = 64, L = kLanes<T>;
  constexpr int B = 4 / K;
  std::fill(sums, sums + K * C, 0.0);
  for (int64_t s0 = begin; s0 < end; s0 += kRun) {
    const int64_t s1 = std::min(end, s0 + kRun);
    int64_t c = 0;
    for (; c + B * L <= C; c += B * L)
      channel_sums_detail::add_run<K, B, T>(s0, s1, c, C, sums, term);
    for (; c + L <= C; c += L) channel_sums_detail::add_run<K, 1, T>(s0, s1, c, C, sums, term);
    for (; c < C; ++c) {
      T acc[K] = {};
      for (int64_t s = s0; s < s1; ++s) term(ElementOfRow<T>{s, c, C}, acc);
      for (int k = 0; k < K; ++k) sums[k * C + c] += acc[k];
    }
  }
}

// sums (K, C) over the rows [0, S), on all threads: chunk(begin, end, its sums) fills in those of
// some rows. The chunks depend on S and C only, and are added up in order.
template <int K, typename F>
void parallel_channel_sums(int64_t S, int64_t C, double* sums, F chunk) {
  const int64_t grain = std::max(std::max<int64_t>(64, (S + 63) / 64), 32768 / (K * C));
  const int64_t chunks = (S + grain - 1) / grain;
  const Scratch<double> chunk_sums(chunks * K * C);
  parallel_chunks(S, grain, [&](int64_t begin, int64_t end) {
    chunk(begin, end, chunk_sums.get() + begin / grain * K * C);
  });
  std::fill(sums, sums + K * C, 0.0);
  for (int64_t i = 0; i < chunks; ++i)
    for (int64_t j = 0; j < K * C; ++j) sums[j] += chunk_sums.get()[i * K * C + j];
}

}  // namespace imago::kernels::IMAGO_BACKEND
