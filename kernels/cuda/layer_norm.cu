// LayerNorm, Ba, Kiros & Hinton 2016 (arXiv:1607.06450). A warp or a whole block holds a row; it goes through it two or
// three times, all but the first from the cache. The gradients of weight and bias are sums down the columns.
#include "kernels/layer_norm.h"

#include "kernels/cuda/sums.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// The threads that share a row: kGroup of them, 32 or kThreads.
template <int kGroup>
struct RowTask {
  int64_t row;
  int lane;

  __device__ RowTask() {
    const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
    row = thread / kGroup;
    lane = static_cast<int>(threadIdx.x) % kGroup;
  }
  template <typename A>
  __device__ A sum(A x, A* scratch) const {
    if constexpr (kGroup == kWarp) return warp_reduce(x);
    else return block_reduce(x, scratch);
  }
};

template <typename T, int N, int kGroup>
__global__ void __launch_bounds__(kThreads) layer_norm_forward_kernel(LayerNormForward p) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, scratch, [kWarp]);
  const RowTask<kGroup> task;
  if (task.row >= p.M) return;  // the whole group
  const T *x = static_cast<const T*>(p.x) + task.row * p.C, *weight = static_cast<const T*>(p.weight);
  const T* bias = static_cast<const T*>(p.bias);
  T* y = static_cast<T*>(p.y) + task.row * p.C;
  const A count = static_cast<A>(p.C);
  A sum = 0, square = 0;
  for (int64_t c = task.lane * N; c < p.C; c += kGroup * N) {
    const Pack<T, N> values = load_pack<N>(x + c);
    for (int k = 0; k < N; ++k) sum += A(values.v[k]);
  }
  const A mean = task.sum(sum, scratch) / count;
  for (int64_t c = task.lane * N; c < p.C; c += kGroup * N) {  // second pass: no cancellation
    const Pack<T, N> values = load_pack<N>(x + c);
    for (int k = 0; k < N; ++k) {
      const A d = A(values.v[k]) - mean;
      square += d * d;
    }
  }
  const A rstd = A(1) / std::sqrt(task.sum(square, scratch) / count + static_cast<A>(p.eps));
  for (int64_t c = task.lane * N; c < p.C; c += kGroup * N) {
    Pack<T, N> values = load_pack<N>(x + c);
    const Pack<T, N> w = load_pack<N>(weight + c), b = load_pack<N>(bias + c);
    for (int k = 0; k < N; ++k) values.v[k] = T((A(values.v[k]) - mean) * rstd * A(w.v[k]) + A(b.v[k]));
    store_pack(y + c, values);
  }
  if (task.lane == 0) {
    static_cast<A*>(p.mean)[task.row] = mean;
    static_cast<A*>(p.rstd)[task.row] = rstd;
  }
}

// With g = dy * weight and both averages over the row: dx = rstd * (g - mean(g) - xhat * mean(g * xhat))
template <typename T, int N, int kGroup>
__global__ void __launch_bounds__(kThreads) layer_norm_backward_kernel(LayerNormBackward p) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, scratch, [kWarp]);
  const RowTask<kGroup> task;
  if (task.row >= p.M) return;
  const T *x = static_cast<const T*>(p.x) + task.row * p.C, *dy = static_cast<const T*>(p.dy) + task.row * p.C;
  const T* weight = static_cast<const T*>(p.weight);
  T* dx = static_cast<T*>(p.dx) + task.row * p.C;
  const A mean = static_cast<const A*>(p.mean)[task.row], rstd = static_cast<const A*>(p.rstd)[task.row];
  const auto for_all = [&](auto f) {  // f(c, g, xhat), a pack at a time
    for (int64_t c = task.lane * N; c < p.C; c += kGroup * N) {
      const Pack<T, N> values = load_pack<N>(x + c), gradient = load_pack<N>(dy + c), w = load_pack<N>(weight + c);
      A g[N], xhat[N];
      for (int k = 0; k < N; ++k) {
        g[k] = A(gradient.v[k]) * A(w.v[k]);
        xhat[k] = (A(values.v[k]) - mean) * rstd;
      }
      f(c, g, xhat);
    }
  };
  A sum_g = 0, sum_gx = 0;
  for_all([&](int64_t, const A (&g)[N], const A (&xhat)[N]) {
    for (int k = 0; k < N; ++k) {
      sum_g += g[k];
      sum_gx += g[k] * xhat[k];
    }
  });
  const A mean_g = task.sum(sum_g, scratch) / static_cast<A>(p.C);
  const A mean_gx = task.sum(sum_gx, scratch) / static_cast<A>(p.C);
  for_all([&](int64_t c, const A (&g)[N], const A (&xhat)[N]) {
    Pack<T, N> result;
    for (int k = 0; k < N; ++k) result.v[k] = T(rstd * (g[k] - mean_g - xhat[k] * mean_gx));
    store_pack(dx + c, result);
  });
}

// For column_sums: dweight = sum dy * xhat, dbias = sum dy.
template <typename T>
struct WeightSums {
  static constexpr int kSums = 2;
  using A = Accumulator<T>;
  struct Column {};
  LayerNormBackward p;

  template <int N>
  __device__ Column column(int64_t, int64_t) const { return {}; }
  template <int N>
  __device__ void add(Column, int64_t, int64_t row, int64_t c, A (&sums)[2][N]) const {
    const Pack<T, N> x = load_pack<N>(static_cast<const T*>(p.x) + row * p.C + c);
    const Pack<T, N> dy = load_pack<N>(static_cast<const T*>(p.dy) + row * p.C + c);
    const A mean = static_cast<const A*>(p.mean)[row], rstd = static_cast<const A*>(p.rstd)[row];
    for (int k = 0; k < N; ++k) {
      sums[0][k] += A(dy.v[k]) * ((A(x.v[k]) - mean) * rstd);
      sums[1][k] += A(dy.v[k]);
    }
  }
};
template <typename T>
struct StoreWeights {
  T *dweight, *dbias;  // null where not wanted
  int64_t C;
  __device__ void operator()(int64_t i, double total) const {
    T* to = i < C ? dweight : dbias;
    if (to) to[i < C ? i : i - C] = T(static_cast<Accumulator<T>>(total));
  }
};

// Runs f.operator()<N, kGroup>(blocks): the packs that p.C and the pointers allow, and as many threads for a row as it
// keeps busy.
template <typename T, typename Params, typename F, typename... P>
void visit_rows(const Params& p, F f, const P*... pointers) {
  visit_pack<T>(pack_width<T>(p.C, pointers...), [&]<int N>() {
    if (p.C <= kThreads * 2 * N) f.template operator()<N, kWarp>(grid_of(divide_up(p.M, kThreads / kWarp)));
    else f.template operator()<N, kThreads>(grid_of(p.M));
  });
}

}  // namespace

void layer_norm_forward(const LayerNormForward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "layer_norm", [&]<typename T>() {
    const auto run = [&]<int N, int kGroup>(dim3 grid) {
      simt::launch(layer_norm_forward_kernel<T, N, kGroup>, grid, dim3(kThreads), 0, stream_of(stream), p);
    };
    visit_rows<T>(p, run, static_cast<const T*>(p.x), static_cast<const T*>(p.weight), static_cast<const T*>(p.bias),
                  static_cast<T*>(p.y));
  });
}

void layer_norm_backward(const LayerNormBackward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "layer_norm", [&]<typename T>() {
    const T *x = static_cast<const T*>(p.x), *dy = static_cast<const T*>(p.dy);
    const auto run = [&]<int N, int kGroup>(dim3 grid) {
      simt::launch(layer_norm_backward_kernel<T, N, kGroup>, grid, dim3(kThreads), 0, stream_of(stream), p);
    };
    if (p.dx) visit_rows<T>(p, run, x, dy, static_cast<const T*>(p.weight), static_cast<T*>(p.dx));
    if (!p.dweight && !p.dbias) return;
    const StoreWeights<T> store{static_cast<T*>(p.dweight), static_cast<T*>(p.dbias), p.C};
    column_sums<T>(1, p.M, p.C, stream, WeightSums<T>{p}, store, x, dy);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
