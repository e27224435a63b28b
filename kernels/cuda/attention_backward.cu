// Attention, backward. With the weights p = e^(score - lse), score = q k^T / sqrt(d), and dp = dy v^T:
//   delta_t = sum_s p dp,   ds = p (dp - delta) / sqrt(d),   dq = ds k,   dk = ds^T q,   dv = p^T dy
// Three kernels, each of which computes the weights again: delta, then dq by tiles of queries, then dk and dv by tiles
// of keys. Nothing is added up by several blocks.
#include <limits>

#include "kernels/attention.h"
#include "kernels/cuda/attention.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr double kLog2e = 1.44269504088896340736;

// A tile of rows of one head beside a tile of the other side: scores and dp are products of left with right rows. Where
// blocks own queries, left are q, dy and right k, v; where they own keys, left are k, v and right q, dy.
template <typename Method, int V>
struct TilePair {
  using T = typename Method::T;
  using Rows = HeadRows<const T>;
  using Tile = typename Method::Tile;
  Rows left_x, left_g, right_x, right_g;  // (L, d)  (L, d)  (R, d)  (R, d)
  unsigned char* memory;                  // kBytes
  static constexpr int kBytes = 4 * Tile::kBytes;

  // For multiply: columns of the last piece that was walked.
  __device__ Tile x_tile() const { return tile_at<Method>(memory, 2); }
  __device__ Tile g_tile() const { return tile_at<Method>(memory, 3); }

  // scores = left_x right_x^T and, if wanted, dp = left_g right_g^T, between the tiles that begin at these rows. The
  // columns are walked piece by piece, piece `last` last. `again`: the same left tile as in the call before.
  __device__ __forceinline__ void multiply(const Method& method, int left, int right, int last, bool again,
                                           bool want_dp, typename Method::Scores& scores,
                                           typename Method::Scores& dp) const {
    const Tile lx = tile_at<Method>(memory, 0), lg = tile_at<Method>(memory, 1);
    const int pieces = (left_x.d + Method::kWidth - 1) / Method::kWidth;
    for (int i = 1; i <= pieces; ++i) {
      const int c = (last + i) % pieces * Method::kWidth;
      const bool keep = again && pieces == 1;
      __syncthreads();  // the tiles have been read
      if (!keep) fetch_rows<Method, V>(lx, left_x, left, c);
      if (!keep && want_dp) fetch_rows<Method, V>(lg, left_g, left, c);
      fetch_rows<Method, V>(x_tile(), right_x, right, c);
      fetch_rows<Method, V>(g_tile(), right_g, right, c);
      finish_fetch();
      method.multiply_rows(scores, lx, x_tile());
      if (want_dp) method.multiply_rows(dp, lg, g_tile());
    }
  }
};

template <typename Method, int V>
__device__ __forceinline__ TilePair<Method, V> by_queries(const AttentionBackward& p, int64_t head,
                                                          unsigned char* memory) {
  using T = typename Method::T;
  return {head_rows(static_cast<const T*>(p.q), head, p.T, p.C, p.heads),
          head_rows(static_cast<const T*>(p.dy), head, p.T, p.C, p.heads),
          head_rows(static_cast<const T*>(p.k), head, p.S, p.C, p.heads),
          head_rows(static_cast<const T*>(p.v), head, p.S, p.C, p.heads), memory};
}
template <typename Method, int V>
__device__ __forceinline__ TilePair<Method, V> by_keys(const AttentionBackward& p, int64_t head,
                                                       unsigned char* memory) {
  const TilePair<Method, V> other = by_queries<Method, V>(p, head, memory);
  return {other.right_x, other.right_g, other.left_x, other.left_g, memory};
}

// Scores, of queries by keys, become weights; 0 behind `columns`. lse2: log2(e) times the rows' lse.
template <typename Method, typename A>
__device__ __forceinline__ void scores_to_weights(typename Method::Scores& scores, const A (&lse2)[Method::kRows],
                                                  A scale2, int columns) {
#pragma unroll
  for (int i = 0; i < Method::kRows; ++i)
#pragma unroll
    for (int j = 0; j < Method::Scores::kColumns; ++j)
      scores.at(i, j) = Method::column(j) < columns ? std::exp2(scores.at(i, j) * scale2 - lse2[i]) : A(0);
}

// The lse of a thread's rows, in units of log2.
template <typename Method, typename A>
__device__ __forceinline__ void load_lse2(A (&lse2)[Method::kRows], const A* lse, int row, int64_t T) {
#pragma unroll
  for (int i = 0; i < Method::kRows; ++i)
    lse2[i] = row + Method::row(i) < T ? lse[row + Method::row(i)] * A(kLog2e) : A(0);
}

// delta (N, heads, T)
template <typename Method, int V>
__global__ void __launch_bounds__(Method::kThreads, Method::kBlocks)
    attention_delta_kernel(const AttentionBackward p, typename Method::A* __restrict__ delta) {
  using A = typename Method::A;
  SIMT_DYNAMIC_SHARED(unsigned char, memory);
  const AttentionTask task(p.T, 1, Method::kTile, Method::kWidth);  // all columns
  const Method method(memory + TilePair<Method, V>::kBytes);
  const TilePair<Method, V> pair = by_queries<Method, V>(p, task.head, memory);
  const A scale2 = A(kLog2e) / std::sqrt(A(pair.left_x.d));
  A lse2[Method::kRows], sum[Method::kRows] = {};
  load_lse2<Method>(lse2, static_cast<const A*>(p.lse) + task.head * p.T, task.row, p.T);

  for (int s = 0; s < p.S; s += Method::kTile) {
    typename Method::Scores weights, dp;
    pair.multiply(method, task.row, s, 0, s > 0, true, weights, dp);
    scores_to_weights<Method>(weights, lse2, scale2, static_cast<int>(p.S) - s);
#pragma unroll
    for (int i = 0; i < Method::kRows; ++i)
#pragma unroll
      for (int j = 0; j < Method::Scores::kColumns; ++j) sum[i] += weights.at(i, j) * dp.at(i, j);
  }
#pragma unroll
  for (int i = 0; i < Method::kRows; ++i) {
    const A total = warp_reduce(sum[i], Method::kTeam);
    const int t = task.row + Method::row(i);
    if (Method::column(0) == 0 && t < p.T) delta[task.head * p.T + t] = total;
  }
}

template <typename Method, int V>
__global__ void __launch_bounds__(Method::kThreads, Method::kBlocks)
    attention_dq_kernel(const AttentionBackward p, const typename Method::A* __restrict__ all_delta) {
  using T = typename Method::T;
  using A = typename Method::A;
  SIMT_DYNAMIC_SHARED(unsigned char, memory);
  const AttentionTask task(p.T, static_cast<int>(p.C / p.heads), Method::kTile, Method::kWidth);
  const Method method(memory + TilePair<Method, V>::kBytes);
  const TilePair<Method, V> pair = by_queries<Method, V>(p, task.head, memory);
  const A scale = 1 / std::sqrt(A(pair.left_x.d));
  A lse2[Method::kRows], delta[Method::kRows];
  load_lse2<Method>(lse2, static_cast<const A*>(p.lse) + task.head * p.T, task.row, p.T);
#pragma unroll
  for (int i = 0; i < Method::kRows; ++i) {
    const int t = task.row + Method::row(i);
    delta[i] = t < p.T ? all_delta[task.head * p.T + t] : A(0);
  }

  typename Method::Outputs dq;
  for (int s = 0; s < p.S; s += Method::kTile) {
    typename Method::Scores ds, dp;
    pair.multiply(method, task.row, s, task.piece, s > 0, true, ds, dp);
    scores_to_weights<Method>(ds, lse2, A(kLog2e) * scale, static_cast<int>(p.S) - s);
#pragma unroll
    for (int i = 0; i < Method::kRows; ++i)
#pragma unroll
      for (int j = 0; j < Method::Scores::kColumns; ++j) ds.at(i, j) *= (dp.at(i, j) - delta[i]) * scale;
    method.multiply(dq, ds, pair.x_tile());
  }
  store_rows<Method>(head_rows(static_cast<T*>(p.dq), task.head, p.T, p.C, p.heads), task.row,
                     task.piece * Method::kWidth, dq);
}

template <typename Method, int V>
__global__ void __launch_bounds__(Method::kThreads)
    attention_dkv_kernel(const AttentionBackward p, const typename Method::A* __restrict__ all_delta) {
  using T = typename Method::T;
  using A = typename Method::A;
  SIMT_DYNAMIC_SHARED(unsigned char, memory);
  SIMT_SHARED(A, lse2, [Method::kTile]);
  SIMT_SHARED(A, delta, [Method::kTile]);
  const AttentionTask task(p.S, static_cast<int>(p.C / p.heads), Method::kTile, Method::kWidth);
  const Method method(memory + TilePair<Method, V>::kBytes);
  const TilePair<Method, V> pair = by_keys<Method, V>(p, task.head, memory);
  const A scale = 1 / std::sqrt(A(pair.left_x.d));

  typename Method::Outputs dk, dv;
  for (int t = 0; t < p.T; t += Method::kTile) {
    __syncthreads();  // lse2 and delta have been read
    if (const int i = static_cast<int>(threadIdx.x); i < Method::kTile) {
      const bool inside = t + i < p.T;  // behind T the weights become 0
      lse2[i] = inside ? static_cast<const A*>(p.lse)[task.head * p.T + t + i] * A(kLog2e)
                       : std::numeric_limits<A>::infinity();
      delta[i] = inside && p.dk ? all_delta[task.head * p.T + t + i] : A(0);
    }
    typename Method::Scores weights, ds;  // of keys by queries
    pair.multiply(method, task.row, t, task.piece, t > 0, p.dk != nullptr, weights, ds);
#pragma unroll
    for (int j = 0; j < Method::Scores::kColumns; ++j) {
      const A column_lse2 = lse2[Method::column(j)], column_delta = delta[Method::column(j)];
#pragma unroll
      for (int i = 0; i < Method::kRows; ++i) {
        A& weight = weights.at(i, j);
        weight = std::exp2(weight * (A(kLog2e) * scale) - column_lse2);
        ds.at(i, j) = weight * (ds.at(i, j) - column_delta) * scale;
      }
    }
    if (p.dv) method.multiply(dv, weights, pair.g_tile());
    if (p.dk) method.multiply(dk, ds, pair.x_tile());
  }
  const int column = task.piece * Method::kWidth;
  if (p.dk) store_rows<Method>(head_rows(static_cast<T*>(p.dk), task.head, p.S, p.C, p.heads), task.row, column, dk);
  if (p.dv) store_rows<Method>(head_rows(static_cast<T*>(p.dv), task.head, p.S, p.C, p.heads), task.row, column, dv);
}

}  // namespace

void attention_backward(const AttentionBackward& p, Stream stream) {
  check_attention_extents(p.T, p.S, p.C);
  const int64_t d = p.C / p.heads, heads = p.N * p.heads;
  visit_attention<64>(p.dtype, d, heads_aligned(p.dtype, d, p.dy, p.q, p.k, p.v), [&]<typename Method, int V>() {
    constexpr size_t kBytes = TilePair<Method, V>::kBytes + Method::kScratchBytes;
    const dim3 threads(Method::kThreads);
    const bool want_delta = p.dq || p.dk;
    const Workspace<typename Method::A> delta(want_delta ? heads * p.T : 0);
    if (want_delta)
      simt::launch(attention_delta_kernel<Method, V>, attention_grid<Method>(heads, p.T, 1), threads, kBytes,
                   stream_of(stream), p, delta.data());
    if (p.dq)
      simt::launch(attention_dq_kernel<Method, V>, attention_grid<Method>(heads, p.T, d), threads, kBytes,
                   stream_of(stream), p, delta.data());
    if (p.dk || p.dv)
      simt::launch(attention_dkv_kernel<Method, V>, attention_grid<Method>(heads, p.S, d), threads, kBytes,
                   stream_of(stream), p, delta.data());
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
