// Sums that are the same bits at every run: each block adds up a part that depends on the shapes alone, and leaves it
// in double; another launch adds the parts, in order. Threads run in the accumulator's type, over a few dozen terms.
#pragma once

#include <algorithm>

#include "kernels/cuda/device/elementwise.cuh"
#include "kernels/cuda/device/reduce.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// About what 132 multiprocessors hold at a time. Shapes that make fewer blocks are cut finer.
inline constexpr int64_t kEnoughBlocks = 1024;

struct StoreDouble {
  double* to;
  __device__ void operator()(int64_t i, double total) const { to[i] = total; }
};
// to[i] = factor * total
template <typename T>
struct StoreScaled {
  T* to;
  double factor;
  __device__ void operator()(int64_t i, double total) const {
    to[i] = T(static_cast<Accumulator<T>>(factor * total));
  }
};

// ---- sums over the last axis of (A, R) ----

// A block for each chunk of a row: store(a * chunks + chunk, sum of body.term<N>(a, r) over the packs of the chunk).
template <int N, typename Body, typename Store>
__global__ void __launch_bounds__(kThreads)
    row_sums_kernel(int64_t R, int64_t chunks, int64_t length, Body body, Store store) {
  SIMT_SHARED(double, scratch, [kWarp]);
  constexpr int kRun = 32;  // packs that a thread adds before it goes on in double
  const int64_t a = int64_t{blockIdx.x} / chunks, begin = (int64_t{blockIdx.x} - a * chunks) * length;
  const int64_t end = begin + length < R ? begin + length : R;
  double total = 0;
  int64_t r = begin + int64_t{threadIdx.x} * N;
  while (r + N <= end) {
    auto sum = body.template term<N>(a, r);
    r += kThreads * N;
#pragma unroll 4
    for (int i = 1; i < kRun && r + N <= end; ++i, r += kThreads * N) sum += body.template term<N>(a, r);
    total += static_cast<double>(sum);
  }
  for (; r < end; ++r) total += static_cast<double>(body.template term<1>(a, r));  // the tail, of one thread
  total = block_reduce(total, scratch);
  if (threadIdx.x == 0) store(blockIdx.x, total);
}

struct PartialRow {
  const double* partial;
  int64_t chunks;
  template <int N>
  __device__ double term(int64_t a, int64_t i) const {
    double sum = 0;
    for (int k = 0; k < N; ++k) sum += partial[a * chunks + i + k];
    return sum;
  }
};

// store(a, sum over r of the terms), for each a. Body: term<N>(a, r) is the sum of the terms r .. r + N - 1 of row a. N
// is kPack<T> or 1; no pack crosses a multiple of `width`, and all `pointers` are aligned to it.
template <typename T, typename Body, typename Store, typename... P>
void row_sums(int64_t A, int64_t R, int64_t width, Stream stream, const Body& body, const Store& store,
              const P*... pointers) {
  visit_pack<T>(pack_width<T>(width, pointers...), [&]<int N>() {
    constexpr int64_t step = int64_t{kThreads} * N;  // elements that a block goes forward by
    const int64_t wanted = std::clamp<int64_t>(R / (4 * step), 1, std::max<int64_t>(1, kEnoughBlocks / A));
    const int64_t length = std::max<int64_t>(1, divide_up(divide_up(R, wanted), step)) * step;
    const int64_t chunks = std::max<int64_t>(1, divide_up(R, length));
    const auto launch = [&](const auto& to) {
      simt::launch(row_sums_kernel<N, Body, std::decay_t<decltype(to)>>, grid_of(A * chunks), dim3(kThreads), 0,
                   stream_of(stream), R, chunks, length, body, to);
    };
    if (chunks == 1) return launch(store);
    const Workspace<double> partial(A * chunks);
    launch(StoreDouble{partial.data()});
    simt::launch(row_sums_kernel<1, PartialRow, Store>, grid_of(A), dim3(kThreads), 0, stream_of(stream), chunks,
                 int64_t{1}, chunks, PartialRow{partial.data(), chunks}, store);
  });
}

// ---- sums over the middle axis of (A, R, C) ----

// How (A, R, C) is dealt out. A block has `across` threads side by side, each with a pack of columns, and `down` such
// rows of threads; it goes through the rows of one chunk, and the grid is (chunks * A, column blocks).
struct ColumnPlan {
  int64_t A, R, C;
  int across, down;
  int64_t chunks, rows;  // the rows of a chunk, fewer than 2^31

  dim3 grid(int width) const {
    const int64_t blocks = divide_up(C / width, across);
    IMAGO_CHECK(blocks < 65536, "launch: ", C, " columns are too many");
    return dim3(grid_of(chunks * A).x, static_cast<unsigned>(blocks));
  }
};

// Packs of `width` columns; at most `most` chunks, of at least `least` rows for each thread, if possible at most 64.
inline ColumnPlan plan_columns(int64_t A, int64_t R, int64_t C, int width, int64_t least, int64_t most) {
  const int64_t packs = C / width, blocks = divide_up(packs, kThreads);
  const int across = static_cast<int>(divide_up(packs, blocks)), down = kThreads / across;
  const int64_t wanted = std::min(most, std::max(divide_up(kEnoughBlocks, A * blocks), divide_up(R, 64 * down)));
  const int64_t rows = divide_up(std::max(divide_up(R, wanted), least * down), down) * down;
  return {A, R, C, across, down, std::max<int64_t>(1, divide_up(R, rows)), rows};
}

// What this thread has to do. Threads beyond the last column, or the last whole row of threads, are idle.
template <int N>
struct ColumnTask {
  int64_t a, chunk, c, begin, end;
  int x, y;
  bool idle;

  __device__ explicit ColumnTask(const ColumnPlan& plan) {
    const int t = static_cast<int>(threadIdx.x);
    y = t / plan.across;
    x = t - y * plan.across;
    a = int64_t{blockIdx.x} / plan.chunks;
    chunk = int64_t{blockIdx.x} - a * plan.chunks;
    c = (int64_t{blockIdx.y} * plan.across + x) * N;
    begin = chunk * plan.rows;
    end = begin + plan.rows < plan.R ? begin + plan.rows : plan.R;
    idle = y >= plan.down || c >= plan.C;
  }
};

// Calls f(column, total) for each column of the block, with the sum of `value`, (N) of each thread, over the threads of
// the column, from the first row of threads to the last. `scratch` is shared memory of kThreads * N elements, free for
// other use right after; columns are counted from the block's first. All threads take part.
template <int N, typename A, typename F>
__device__ __forceinline__ void fold_columns(const ColumnPlan& plan, const ColumnTask<N>& task, const A (&value)[N],
                                             A* scratch, F f) {
  const int columns = plan.across * N;
  if (task.y < plan.down) {  // element k of all packs, then element k + 1: neighbours write to neighbouring banks
    for (int k = 0; k < N; ++k) scratch[task.y * columns + k * plan.across + task.x] = value[k];
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < columns; i += kThreads) {
    double total = 0;
    for (int y = 0; y < plan.down; ++y) total += static_cast<double>(scratch[y * columns + i]);
    const int k = i / plan.across;
    f((i - k * plan.across) * N + k, total);
  }
  __syncthreads();
}

// store(((a * chunks + chunk) * K + k) * C + c, sum k of column c over the rows of the chunk). Body: A is the type that
// threads add in, kSums is K, column<N>(a, c) loads what belongs to the columns c .. c + N - 1, and add<N>(that, a, r,
// c, sums) adds row r to sums[K][N].
template <int N, typename Body, typename Store>
__device__ __forceinline__ void column_sums_of_block(const ColumnPlan& plan, const ColumnTask<N>& task,
                                                     const Body& body, const Store& store) {
  using A = typename Body::A;
  constexpr int K = Body::kSums;
  SIMT_SHARED(A, scratch, [kThreads * N]);
  A sums[K][N] = {};
  if (!task.idle) {
    const auto column = body.template column<N>(task.a, task.c);
#pragma unroll 4
    for (int64_t r = task.begin + task.y; r < task.end; r += plan.down) {
      body.template add<N>(column, task.a, r, task.c, sums);
    }
  }
  const int64_t first = int64_t{blockIdx.y} * plan.across * N;
  for (int k = 0; k < K; ++k) {
    fold_columns<N>(plan, task, sums[k], scratch, [&](int column, double total) {
      if (first + column < plan.C) store((int64_t{blockIdx.x} * K + k) * plan.C + first + column, total);
    });
  }
}

template <int N, typename Body, typename Store>
__global__ void __launch_bounds__(kThreads) column_sums_kernel(ColumnPlan plan, Body body, Store store) {
  column_sums_of_block(plan, ColumnTask<N>(plan), body, store);
}

struct PartialColumns {
  static constexpr int kSums = 1;
  using A = double;
  struct Column {};
  const double* partial;  // (A, R, C)
  int64_t R, C;
  template <int N>
  __device__ Column column(int64_t, int64_t) const { return {}; }
  template <int N>
  __device__ void add(Column, int64_t a, int64_t r, int64_t c, double (&sums)[1][N]) const {
    for (int k = 0; k < N; ++k) sums[0][k] += partial[(a * R + r) * C + c + k];
  }
};

// store((a * K + k) * C + c, sum k of column c over all rows).
template <int N, typename Body, typename Store>
void column_sums(const ColumnPlan& plan, Stream stream, const Body& body, const Store& store) {
  const auto launch = [&](const auto& to) {
    simt::launch(column_sums_kernel<N, Body, std::decay_t<decltype(to)>>, plan.grid(N), dim3(kThreads), 0,
                 stream_of(stream), plan, body, to);
  };
  if (plan.chunks == 1) return launch(store);
  const int64_t columns = Body::kSums * plan.C;
  const Workspace<double> partial(plan.A * plan.chunks * columns);
  launch(StoreDouble{partial.data()});
  // (A, chunks, K C), all chunks in one block
  const ColumnPlan last = plan_columns(plan.A, plan.chunks, columns, 1, plan.chunks, 1);
  simt::launch(column_sums_kernel<1, PartialColumns, Store>, last.grid(1), dim3(kThreads), 0, stream_of(stream), last,
               PartialColumns{partial.data(), plan.chunks, columns}, store);
}
// The same over (A, R, C) of T, in packs where C and all `pointers` allow it.
template <typename T, typename Body, typename Store, typename... P>
void column_sums(int64_t A, int64_t R, int64_t C, Stream stream, const Body& body, const Store& store,
                 const P*... pointers) {
  visit_pack<T>(pack_width<T>(C, pointers...), [&]<int N>() {
    column_sums<N>(plan_columns(A, R, C, N, 4, R), stream, body, store);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
