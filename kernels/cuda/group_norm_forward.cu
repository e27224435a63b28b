// GroupNorm, Wu & He 2018 (arXiv:1803.08494), forward, in three kernels that follow each other in docs/kernels/
// group_norm.md: naive; slab, by one block for some groups of a sample; split, by many blocks for a sample.
#include "kernels/cuda/group_norm.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// ---- naive: a block for each group of each sample; three times through its memory, a value at a time ----

template <typename T>
__global__ void __launch_bounds__(kThreads) group_norm_naive_kernel(GroupNormForward p) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, scratch, [kWarp]);
  const int n = static_cast<int>(blockIdx.x / p.G), g = static_cast<int>(blockIdx.x % p.G);
  const int per_group = static_cast<int>(p.C / p.G), first = g * per_group;
  const T *x = static_cast<const T*>(p.x) + n * p.S * p.C + first, *weight = static_cast<const T*>(p.weight) + first;
  const T* bias = static_cast<const T*>(p.bias) + first;
  T* y = static_cast<T*>(p.y) + n * p.S * p.C + first;
  const A count = static_cast<A>(p.S * per_group);
  A sum = 0, square = 0;
  for (int64_t s = threadIdx.x; s < p.S; s += kThreads)
    for (int c = 0; c < per_group; ++c) sum += A(x[s * p.C + c]);
  const A mean = block_reduce(sum, scratch) / count;
  for (int64_t s = threadIdx.x; s < p.S; s += kThreads)
    for (int c = 0; c < per_group; ++c) {
      const A d = A(x[s * p.C + c]) - mean;
      square += d * d;
    }
  const A rstd = A(1) / std::sqrt(block_reduce(square, scratch) / count + static_cast<A>(p.eps));
  for (int64_t s = threadIdx.x; s < p.S; s += kThreads)
    for (int c = 0; c < per_group; ++c) {
      const A z = (A(x[s * p.C + c]) - mean) * rstd * A(weight[c]) + A(bias[c]);
      y[s * p.C + c] = T(p.activation == Activation::silu ? fast_silu(z) : z);
    }
  if (threadIdx.x == 0) {
    static_cast<A*>(p.mean)[blockIdx.x] = mean;
    static_cast<A*>(p.rstd)[blockIdx.x] = rstd;
  }
}

// ---- what the other two are made of ----

// Calls f(channel, mean, squares) for each channel of the block, counted from its first: mean, and squared distances
// from it, over the rows of the block. A thread measures distances from its first value. That is as good as a second
// pass: their sum of squares cannot be much larger than that of the distances from the mean, because the first value is
// one of those summed. Sets of rows are then joined by
//   the squares about the mean of all = the squares about each set's own mean + rows * (own mean - mean of all)^2.
template <int N, typename T, typename F>
__device__ __forceinline__ void channel_moments(const T* x, const ColumnPlan& plan, const ColumnTask<N>& task, F f) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, means, [kThreads * N]);
  SIMT_SHARED(A, squares, [kThreads * N]);
  const int rows = static_cast<int>(task.end - task.begin), columns = plan.across * N;
  const auto rows_of = [&](int y) { return (rows - y + plan.down - 1) / plan.down; };  // of threads (., y), y < rows
  if (!task.idle && task.y < rows) {
    x += (task.a * plan.R + task.begin + task.y) * plan.C + task.c;
    const Channels<A, N> pivot = load_channels<N>(x);
    A sum[N] = {}, square[N] = {};
#pragma unroll 4
    for (int r = task.y + plan.down; r < rows; r += plan.down) {
      x += plan.down * plan.C;
      const Channels<A, N> value = load_channels<N>(x);
      for (int k = 0; k < N; ++k) {
        const A d = value.v[k] - pivot.v[k];
        sum[k] += d;
        square[k] += d * d;
      }
    }
    const A each = A(1) / static_cast<A>(rows_of(task.y));
    for (int k = 0; k < N; ++k) {
      const int at = task.y * columns + k * plan.across + task.x;
      means[at] = pivot.v[k] + sum[k] * each;
      squares[at] = square[k] - sum[k] * sum[k] * each;
    }
  }
  __syncthreads();
  const int occupied = rows < plan.down ? rows : plan.down, from = static_cast<int>(blockIdx.y) * columns;
  for (int i = static_cast<int>(threadIdx.x); i < columns; i += kThreads) {
    const int k = i / plan.across, channel = (i - k * plan.across) * N + k;
    if (from + channel >= plan.C) continue;
    double mean = 0, square = 0;
    for (int y = 0; y < occupied; ++y) mean += rows_of(y) * static_cast<double>(means[y * columns + i]);
    mean /= rows;
    for (int y = 0; y < occupied; ++y) {
      const double d = static_cast<double>(means[y * columns + i]) - mean;
      square += static_cast<double>(squares[y * columns + i]) + rows_of(y) * d * d;
    }
    f(channel, mean, square);
  }
}

// y for the rows of this task, from the statistics in p.mean and p.rstd.
template <typename T, int N>
__device__ __forceinline__ void normalise(const GroupNormForward& p, const ColumnPlan& plan,
                                          const ColumnTask<N>& task) {
  using A = Accumulator<T>;
  if (task.idle) return;
  const int per_group = static_cast<int>(p.C / p.G);
  const auto mean = load_groups<N>(static_cast<const A*>(p.mean) + task.a * p.G, 1, task.c, per_group);
  auto scale = load_groups<N>(static_cast<const A*>(p.rstd) + task.a * p.G, 1, task.c, per_group);
  const auto weight = load_channels<N>(static_cast<const T*>(p.weight) + task.c);
  const auto bias = load_channels<N>(static_cast<const T*>(p.bias) + task.c);
  for (int k = 0; k < N; ++k) scale.v[k] *= weight.v[k];
  const int64_t first = (task.a * plan.R + task.begin) * plan.C + task.c;
  const T* __restrict__ x = static_cast<const T*>(p.x) + first;
  T* __restrict__ y = static_cast<T*>(p.y) + first;
  const int rows = static_cast<int>(task.end - task.begin);
  const auto for_all_rows = [&](auto activation) {
#pragma unroll 4
    for (int r = task.y; r < rows; r += plan.down) {
      const auto value = load_channels<N>(x + r * plan.C);
      Pack<T, N> result;
      for (int k = 0; k < N; ++k) {
        result.v[k] = T(activation((value.v[k] - mean.v[k]) * scale.v[k] + bias.v[k]));
      }
      store_pack(y + r * plan.C, result);
    }
  };
  if (p.activation == Activation::silu) for_all_rows([](A z) { return fast_silu(z); });
  else for_all_rows([](A z) { return z; });
}

// ---- slab: statistics and result by one block, which finds x in the cache the second time ----

template <typename T, int N>
__global__ void __launch_bounds__(kThreads) group_norm_slab_kernel(GroupNormForward p, ColumnPlan plan) {
  using A = Accumulator<T>;
  SIMT_SHARED(double, means, [kSlabPacks * N]);
  SIMT_SHARED(double, squares, [kSlabPacks * N]);
  const ColumnTask<N> task(plan);
  channel_moments<N>(static_cast<const T*>(p.x), plan, task, [&](int channel, double mean, double square) {
    means[channel] = mean;
    squares[channel] = square;
  });
  __syncthreads();
  const int per_group = static_cast<int>(p.C / p.G), slab = plan.across * N;
  const int64_t first = int64_t{blockIdx.y} * slab;
  const int groups = static_cast<int>((p.C - first < slab ? p.C - first : slab) / per_group);
  for (int g = static_cast<int>(threadIdx.x); g < groups; g += kThreads) {
    double mean = 0, square = 0;
    for (int c = g * per_group; c < (g + 1) * per_group; ++c) mean += means[c] / per_group;
    for (int c = g * per_group; c < (g + 1) * per_group; ++c) {
      square += squares[c] + static_cast<double>(p.S) * (means[c] - mean) * (means[c] - mean);
    }
    const int64_t at = task.a * p.G + first / per_group + g;
    static_cast<A*>(p.mean)[at] = static_cast<A>(mean);
    static_cast<A*>(p.rstd)[at] = static_cast<A>(1 / std::sqrt(square / static_cast<double>(p.S * per_group) + p.eps));
  }
  __syncthreads();
  normalise<T, N>(p, plan, task);
}

// ---- split: a first kernel for the moments of each part, a second that joins them, a third for the result ----

template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    group_norm_moments_kernel(GroupNormForward p, ColumnPlan plan, double* moments /* (N, chunks, 2, C) */) {
  const ColumnTask<N> task(plan);
  double* mine = moments + int64_t{blockIdx.x} * 2 * p.C + int64_t{blockIdx.y} * plan.across * N;
  channel_moments<N>(static_cast<const T*>(p.x), plan, task, [&](int channel, double mean, double square) {
    mine[channel] = mean;
    mine[p.C + channel] = square;
  });
}

// One warp for each group of each sample.
template <typename A>
__global__ void __launch_bounds__(kThreads)
    group_norm_join_kernel(GroupNormForward p, ColumnPlan plan, const double* moments) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kWarp, n = i / p.G;
  if (n >= p.N) return;  // the whole warp
  const int per_group = static_cast<int>(p.C / p.G), lane = static_cast<int>(threadIdx.x) % kWarp;
  const int parts = static_cast<int>(plan.chunks) * per_group;
  const double* first = moments + n * plan.chunks * 2 * p.C + (i - n * p.G) * per_group;
  const auto sum_over_parts = [&](auto term) {  // term(rows, mean, squares)
    double sum = 0;
    for (int part = lane; part < parts; part += kWarp) {
      const int chunk = part / per_group;
      const int64_t left = plan.R - chunk * plan.rows;
      const double* mine = first + int64_t{chunk} * 2 * p.C + (part - chunk * per_group);
      sum += term(static_cast<double>(left < plan.rows ? left : plan.rows), mine[0], mine[p.C]);
    }
    return warp_reduce(sum);
  };
  const double count = static_cast<double>(p.S * per_group);
  const double mean = sum_over_parts([](double rows, double m, double) { return rows * m; }) / count;
  const double square =
      sum_over_parts([=](double rows, double m, double q) { return q + rows * (m - mean) * (m - mean); });
  if (lane == 0) {
    static_cast<A*>(p.mean)[i] = static_cast<A>(mean);
    static_cast<A*>(p.rstd)[i] = static_cast<A>(1 / std::sqrt(square / count + p.eps));
  }
}

template <typename T, int N>
__global__ void __launch_bounds__(kThreads) group_norm_apply_kernel(GroupNormForward p, ColumnPlan plan) {
  const ColumnTask<N> task(plan);
  normalise<T, N>(p, plan, task);
}

template <typename T, int N>
void forward(const GroupNormForward& p, simt::Stream stream) {
  const ColumnPlan slab = slab_plan<T>(p, N);
  if (takes_slabs(p, slab, N * sizeof(T))) {
    return simt::launch(group_norm_slab_kernel<T, N>, slab.grid(N), dim3(kThreads), 0, stream, p, slab);
  }
  const ColumnPlan plan = plan_columns(p.N, p.S, p.C, N, 4, kMostChunks);
  const Workspace<double> moments(p.N * plan.chunks * 2 * p.C);
  simt::launch(group_norm_moments_kernel<T, N>, plan.grid(N), dim3(kThreads), 0, stream, p, plan, moments.data());
  simt::launch(group_norm_join_kernel<Accumulator<T>>, grid_of(divide_up(p.N * p.G, kThreads / kWarp)), dim3(kThreads),
               0, stream, p, plan, moments.data());
  simt::launch(group_norm_apply_kernel<T, N>, plan.grid(N), dim3(kThreads), 0, stream, p, plan);
}

}  // namespace

void group_norm_forward(const GroupNormForward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "group_norm", [&]<typename T>() {
    if (p.kernel == GroupNormKernel::naive) {
      return simt::launch(group_norm_naive_kernel<T>, grid_of(p.N * p.G), dim3(kThreads), 0, stream_of(stream), p);
    }
    const int width = pack_width<T>(p.C, static_cast<const T*>(p.x), static_cast<const T*>(p.weight),
                                    static_cast<const T*>(p.bias), static_cast<T*>(p.y));
    visit_pack<T>(width, [&]<int N>() { forward<T, N>(p, stream_of(stream)); });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
