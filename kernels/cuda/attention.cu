// Attention, forward: one walk along the keys, with the largest score so far and sums relative to it.
#include "kernels/attention.h"

#include <limits>

#include "kernels/cuda/attention.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// What a thread knows of the softmax of its rows.
template <typename Method>
struct RunningSoftmax {
  using A = typename Method::A;
  A largest[Method::kRows];  // of the whole row so far
  A sum[Method::kRows];      // of 2^(scale (score - largest)), of the thread's own columns

  __device__ RunningSoftmax() {
    for (int i = 0; i < Method::kRows; ++i) largest[i] = std::numeric_limits<A>::lowest(), sum[i] = 0;
  }

  // Scores become weights, of which those behind `columns` are 0; what y has so far is scaled to the new largest score.
  __device__ __forceinline__ void add(typename Method::Scores& scores, typename Method::Outputs& y, int columns,
                                      A scale) {
    constexpr int kColumns = Method::Scores::kColumns;
#pragma unroll
    for (int i = 0; i < Method::kRows; ++i) {
      A top = largest[i];
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        if (Method::column(j) >= columns) scores.at(i, j) = -std::numeric_limits<A>::infinity();
        top = Max()(top, scores.at(i, j));
      }
      top = warp_reduce<Max>(top, Method::kTeam);
      const A shrink = std::exp2(scale * (largest[i] - top));
      largest[i] = top;
      sum[i] *= shrink;
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        scores.at(i, j) = std::exp2(scale * (scores.at(i, j) - top));
        sum[i] += scores.at(i, j);
      }
#pragma unroll
      for (int j = 0; j < Method::Outputs::kColumns; ++j) y.at(i, j) *= shrink;
    }
  }
};

template <typename Method, int V>
__global__ void __launch_bounds__(Method::kThreads, Method::kBlocks)
    attention_forward_kernel(const AttentionForward p) {
  using T = typename Method::T;
  using A = typename Method::A;
  SIMT_DYNAMIC_SHARED(unsigned char, memory);
  const typename Method::Tile q_tile = tile_at<Method>(memory, 0), k_tile = tile_at<Method>(memory, 1),
                              v_tile = tile_at<Method>(memory, 2);
  const Method method(memory + 3 * Method::Tile::kBytes);
  const AttentionTask task(p.T, static_cast<int>(p.C / p.heads), Method::kTile, Method::kWidth);
  const auto q = head_rows(static_cast<const T*>(p.q), task.head, p.T, p.C, p.heads);
  const auto k = head_rows(static_cast<const T*>(p.k), task.head, p.S, p.C, p.heads);
  const auto v = head_rows(static_cast<const T*>(p.v), task.head, p.S, p.C, p.heads);
  const A scale = A(1.44269504088896340736) / std::sqrt(A(q.d));  // log2(e) / sqrt(d)

  RunningSoftmax<Method> softmax;
  typename Method::Outputs y;
  for (int s = 0; s < p.S; s += Method::kTile) {
    typename Method::Scores scores;
    for (int piece = 0; piece < task.pieces; ++piece) {
      __syncthreads();  // the tiles have been read
      if (s == 0 || task.pieces > 1) fetch_rows<Method, V>(q_tile, q, task.row, piece * Method::kWidth);
      fetch_rows<Method, V>(k_tile, k, s, piece * Method::kWidth);
      if (piece == 0) fetch_rows<Method, V>(v_tile, v, s, task.piece * Method::kWidth);
      finish_fetch();
      method.multiply_rows(scores, q_tile, k_tile);
    }
    softmax.add(scores, y, static_cast<int>(p.S) - s, scale);
    method.multiply(y, scores, v_tile);
  }

  A* lse = static_cast<A*>(p.lse) + task.head * p.T;  // (T)
#pragma unroll
  for (int i = 0; i < Method::kRows; ++i) {
    const A sum = warp_reduce(softmax.sum[i], Method::kTeam);
    const int t = task.row + Method::row(i);
    if (task.piece == 0 && Method::column(0) == 0 && t < p.T)
      lse[t] = A(0.69314718055994530942) * (softmax.largest[i] * scale) + std::log(sum);
#pragma unroll
    for (int j = 0; j < Method::Outputs::kColumns; ++j) y.at(i, j) *= 1 / sum;
  }
  store_rows<Method>(head_rows(static_cast<T*>(p.y), task.head, p.T, p.C, p.heads), task.row,
                     task.piece * Method::kWidth, y);
}

}  // namespace

void attention_forward(const AttentionForward& p, Stream stream) {
  check_attention_extents(p.T, p.S, p.C);
  const int64_t d = p.C / p.heads;
  visit_attention<128>(p.dtype, d, heads_aligned(p.dtype, d, p.q, p.k, p.v), [&]<typename Method, int V>() {
    constexpr size_t kBytes = 3 * Method::Tile::kBytes + Method::kScratchBytes;
    simt::launch(attention_forward_kernel<Method, V>, attention_grid<Method>(p.N * p.heads, p.T, d),
                 dim3(Method::kThreads), kBytes, stream_of(stream), p);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
