// GroupNorm backward, as docs/kernels/group_norm.md derives it. With z = xhat * weight + bias and dz = dy *
// activation'(z), g = dz * weight, both averages over one group:
//   dx = rstd * (g - mean(g) - xhat * mean(g * xhat)),  dweight = sum dz * xhat,  dbias = sum dz
// All sums come from those over the pixels of each sample and channel. dz is computed again where it is needed.
#include "kernels/cuda/group_norm.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// dz and xhat of N channels of a sample.
template <typename T, int N>
struct Pixel {
  using A = Accumulator<T>;
  Channels<A, N> mean, rstd, weight, bias;
  bool silu;

  __device__ Pixel(const GroupNormBackward& p, int64_t n, int64_t c)
      : mean(load_groups<N>(static_cast<const A*>(p.mean) + n * p.G, 1, c, static_cast<int>(p.C / p.G))),
        rstd(load_groups<N>(static_cast<const A*>(p.rstd) + n * p.G, 1, c, static_cast<int>(p.C / p.G))),
        weight(load_channels<N>(static_cast<const T*>(p.weight) + c)),
        bias(load_channels<N>(static_cast<const T*>(p.bias) + c)),
        silu(p.activation == Activation::silu) {}

  // f(k, dz, xhat) for each channel.
  template <typename F>
  __device__ __forceinline__ void visit(const T* dy, const T* x, F f) const {
    const auto gradient = load_channels<N>(dy), value = load_channels<N>(x);
    for (int k = 0; k < N; ++k) {
      const A xhat = (value.v[k] - mean.v[k]) * rstd.v[k];
      A dz = gradient.v[k];
      if (silu) dz *= fast_silu_derivative(xhat * weight.v[k] + bias.v[k]);
      f(k, dz, xhat);
    }
  }
};

// For column_sums: the sums of dz and of dz * xhat over pixels.
template <typename T>
struct Sums {
  static constexpr int kSums = 2;
  using A = Accumulator<T>;
  GroupNormBackward p;

  template <int N>
  __device__ Pixel<T, N> column(int64_t n, int64_t c) const { return {p, n, c}; }
  template <int N>
  __device__ __forceinline__ void add(const Pixel<T, N>& pixel, int64_t n, int64_t s, int64_t c,
                                      A (&sums)[2][N]) const {
    const int64_t at = (n * p.S + s) * p.C + c;
    pixel.visit(static_cast<const T*>(p.dy) + at, static_cast<const T*>(p.x) + at, [&](int k, A dz, A xhat) {
      sums[0][k] += dz;
      sums[1][k] += dz * xhat;
    });
  }
};

// The two averages of one group, from the sums (2, C) of its sample.
struct GroupMeans { double g, gx; };
template <typename T>
__device__ __forceinline__ GroupMeans group_means(const GroupNormBackward& p, const double* sums, int64_t group) {
  const int64_t per_group = p.C / p.G;
  GroupMeans means{0, 0};
  for (int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
    const double weight = static_cast<double>(Accumulator<T>(static_cast<const T*>(p.weight)[c]));
    means.g += weight * sums[c];
    means.gx += weight * sums[p.C + c];
  }
  const double count = static_cast<double>(p.S * per_group);
  return {means.g / count, means.gx / count};
}

// dx for the rows of this task; means is (N, G, 2).
template <typename T, int N>
__device__ __forceinline__ void input_gradient(const GroupNormBackward& p, const ColumnPlan& plan,
                                               const ColumnTask<N>& task, const Accumulator<T>* means) {
  using A = Accumulator<T>;
  if (task.idle) return;
  const int per_group = static_cast<int>(p.C / p.G);
  const Pixel<T, N> pixel(p, task.a, task.c);
  const auto mean_g = load_groups<N>(means + task.a * 2 * p.G, 2, task.c, per_group);
  const auto mean_gx = load_groups<N>(means + task.a * 2 * p.G + 1, 2, task.c, per_group);
  const int64_t first = (task.a * plan.R + task.begin) * plan.C + task.c;
  const T* __restrict__ dy = static_cast<const T*>(p.dy) + first;
  const T* __restrict__ x = static_cast<const T*>(p.x) + first;
  T* __restrict__ dx = static_cast<T*>(p.dx) + first;
  const int rows = static_cast<int>(task.end - task.begin);
#pragma unroll 2
  for (int r = task.y; r < rows; r += plan.down) {
    Pack<T, N> result;
    pixel.visit(dy + r * plan.C, x + r * plan.C, [&](int k, A dz, A xhat) {
      result.v[k] = T(pixel.rstd.v[k] * (dz * pixel.weight.v[k] - mean_g.v[k] - xhat * mean_gx.v[k]));
    });
    store_pack(dx + r * plan.C, result);
  }
}

// ---- slab: sums, averages and dx by one block ----

template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    group_norm_backward_slab_kernel(GroupNormBackward p, ColumnPlan plan, double* sums /* (N, 2, C) */,
                                    Accumulator<T>* means /* (N, G, 2) */) {
  using A = Accumulator<T>;
  const ColumnTask<N> task(plan);
  column_sums_of_block<N>(plan, task, Sums<T>{p}, StoreDouble{sums});
  const int64_t first = int64_t{blockIdx.y} * plan.across * N, last = first + plan.across * N;
  const int64_t per_group = p.C / p.G, end = (last < p.C ? last : p.C) / per_group;
  for (int64_t g = first / per_group + threadIdx.x; g < end; g += kThreads) {
    const GroupMeans of_group = group_means<T>(p, sums + task.a * 2 * p.C, g);
    means[(task.a * p.G + g) * 2] = static_cast<A>(of_group.g);
    means[(task.a * p.G + g) * 2 + 1] = static_cast<A>(of_group.gx);
  }
  __syncthreads();
  if (p.dx) input_gradient<T, N>(p, plan, task, means);
}

// ---- split ----

// The second bound lets ptxas take the registers it needs; left alone it takes 48 for f32 on sm_80, and spills.
template <typename T, int N>
__global__ void __launch_bounds__(kThreads, 3)
    group_norm_backward_input_kernel(GroupNormBackward p, ColumnPlan plan, const Accumulator<T>* means) {
  const ColumnTask<N> task(plan);
  input_gradient<T, N>(p, plan, task, means);
}

// The averages of all groups, where there is memory for them; then dweight and dbias of all channels.
template <typename T>
struct Join {
  using A = Accumulator<T>;
  GroupNormBackward p;
  const double* sums;  // (N, 2, C)
  A* means;            // (N, G, 2) or null
  int64_t groups;      // N G, or 0

  __device__ void operator()(int64_t i) const {
    if (i < groups) {
      const int64_t n = i / p.G;
      const GroupMeans of_group = group_means<T>(p, sums + n * 2 * p.C, i - n * p.G);
      means[i * 2] = static_cast<A>(of_group.g);
      means[i * 2 + 1] = static_cast<A>(of_group.gx);
      return;
    }
    const int64_t c = i - groups;
    double dbias = 0, dweight = 0;
#pragma unroll 8
    for (int64_t n = 0; n < p.N; ++n) {
      dbias += sums[n * 2 * p.C + c];
      dweight += sums[(n * 2 + 1) * p.C + c];
    }
    if (p.dweight) static_cast<A*>(p.dweight)[c] = static_cast<A>(dweight);
    if (p.dbias) static_cast<A*>(p.dbias)[c] = static_cast<A>(dbias);
  }
};

template <typename T, int N>
void backward(const GroupNormBackward& p, Stream stream) {
  using A = Accumulator<T>;
  const Workspace<double> sums(p.N * 2 * p.C);
  const Workspace<A> means(p.N * p.G * 2);
  const int64_t weights = p.dweight || p.dbias ? p.C : 0;
  const ColumnPlan slab = slab_plan<T>(p, N);
  if (takes_slabs(p, slab, N * sizeof(T))) {
    simt::launch(group_norm_backward_slab_kernel<T, N>, slab.grid(N), dim3(kThreads), 0, stream_of(stream), p, slab,
                 sums.data(), means.data());
    return for_each(weights, stream, Join<T>{p, sums.data(), nullptr, 0});
  }
  const ColumnPlan plan = plan_columns(p.N, p.S, p.C, N, 4, kMostChunks);
  column_sums<N>(plan, stream, Sums<T>{p}, StoreDouble{sums.data()});
  const int64_t groups = p.dx ? p.N * p.G : 0;
  for_each(groups + weights, stream, Join<T>{p, sums.data(), means.data(), groups});
  if (!p.dx) return;
  simt::launch(group_norm_backward_input_kernel<T, N>, plan.grid(N), dim3(kThreads), 0, stream_of(stream), p, plan,
               means.data());
}

}  // namespace

void group_norm_backward(const GroupNormBackward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "group_norm", [&]<typename T>() {
    const int width = pack_width<T>(p.C, static_cast<const T*>(p.dy), static_cast<const T*>(p.x),
                                    static_cast<const T*>(p.weight), static_cast<const T*>(p.bias),
                                    static_cast<T*>(p.dx));
    visit_pack<T>(width, [&]<int N>() { backward<T, N>(p, stream); });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
