// Softmax over the last axis. A row belongs to one warp, or to a block where it is long. The largest element and the
// sum are found together in one walk along the row (Milakov & Gimelshein 2018, arXiv:1805.02867); the second walk finds
// the row in the cache.
#include "kernels/softmax.h"

#include <limits>

#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/reduce.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kLongRow = 2048;

// The threads of a row: a warp of the block, or all of it.
template <bool kWholeBlock, typename A>
struct RowTeam {
  static constexpr int kRows = kWholeBlock ? 1 : kThreads / kWarp;  // of a block
  static constexpr int kSize = kThreads / kRows;
  A* scratch;  // (32), shared

  __device__ int64_t row() const { return int64_t{blockIdx.x} * kRows + threadIdx.x / kSize; }
  __device__ int rank() const { return static_cast<int>(threadIdx.x) % kSize; }
  template <typename Combine>
  __device__ A reduce(A x) const {
    if constexpr (kWholeBlock) return block_reduce<Combine>(x, scratch);
    else return warp_reduce<Combine>(x);
  }
};

template <bool kWholeBlock, int N, typename T>
__global__ void __launch_bounds__(kThreads)
    softmax_forward_kernel(const T* __restrict__ all_x, T* __restrict__ all_y, int64_t M, int64_t C) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, scratch, [kWarp]);
  const RowTeam<kWholeBlock, A> team{scratch};
  const int64_t row = team.row();
  if (row >= M) return;  // a whole warp, or never
  const T* x = all_x + row * C;  // (C)
  T* y = all_y + row * C;        // (C)

  A largest = std::numeric_limits<A>::lowest(), sum = 0;  // the sum is of e^(x - largest)
  for (int64_t c = int64_t{team.rank()} * N; c < C; c += team.kSize * N) {
    const Pack<T, N> values = load_pack<N>(x + c);
    const A before = largest;
    for (int k = 0; k < N; ++k) largest = Max()(largest, A(values.v[k]));
    sum *= std::exp(before - largest);
    for (int k = 0; k < N; ++k) sum += std::exp(A(values.v[k]) - largest);
  }
  const A top = team.template reduce<Max>(largest);
  const A factor = 1 / team.template reduce<Sum>(sum * std::exp(largest - top));

  for (int64_t c = int64_t{team.rank()} * N; c < C; c += team.kSize * N) {
    Pack<T, N> values = load_pack<N>(x + c);
    for (int k = 0; k < N; ++k) values.v[k] = T(std::exp(A(values.v[k]) - top) * factor);
    store_pack(y + c, values);
  }
}

// dx = y * (dy - sum(dy * y))
template <bool kWholeBlock, int N, typename T>
__global__ void __launch_bounds__(kThreads)
    softmax_backward_kernel(const T* __restrict__ all_dy, const T* __restrict__ all_y, T* __restrict__ all_dx,
                            int64_t M, int64_t C) {
  using A = Accumulator<T>;
  SIMT_SHARED(A, scratch, [kWarp]);
  const RowTeam<kWholeBlock, A> team{scratch};
  const int64_t row = team.row();
  if (row >= M) return;
  const T* dy = all_dy + row * C;  // (C)
  const T* y = all_y + row * C;    // (C)
  T* dx = all_dx + row * C;        // (C)

  A sum = 0;
  for (int64_t c = int64_t{team.rank()} * N; c < C; c += team.kSize * N) {
    const Pack<T, N> a = load_pack<N>(dy + c), b = load_pack<N>(y + c);
    for (int k = 0; k < N; ++k) sum += A(a.v[k]) * A(b.v[k]);
  }
  sum = team.template reduce<Sum>(sum);
  for (int64_t c = int64_t{team.rank()} * N; c < C; c += team.kSize * N) {
    const Pack<T, N> b = load_pack<N>(y + c);
    Pack<T, N> a = load_pack<N>(dy + c);
    for (int k = 0; k < N; ++k) a.v[k] = T(A(b.v[k]) * (A(a.v[k]) - sum));
    store_pack(dx + c, a);
  }
}

// Runs f.operator()<kWholeBlock>(blocks).
template <typename F>
void visit_rows(int64_t M, int64_t C, F&& f) {
  if (C > kLongRow) return f.template operator()<true>(M);
  f.template operator()<false>(divide_up(M, RowTeam<false, float>::kRows));
}

}  // namespace

void softmax_forward(const SoftmaxForward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "softmax", [&]<typename T>() {
    const T* x = static_cast<const T*>(p.x);
    T* y = static_cast<T*>(p.y);
    visit_pack<T>(pack_width<T>(p.C, x, y), [&]<int N>() {
      visit_rows(p.M, p.C, [&]<bool kWholeBlock>(int64_t blocks) {
        simt::launch(softmax_forward_kernel<kWholeBlock, N, T>, grid_of(blocks), dim3(kThreads), 0, stream_of(stream),
                     x, y, p.M, p.C);
      });
    });
  });
}

void softmax_backward(const SoftmaxBackward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "softmax", [&]<typename T>() {
    const T *dy = static_cast<const T*>(p.dy), *y = static_cast<const T*>(p.y);
    T* dx = static_cast<T*>(p.dx);
    visit_pack<T>(pack_width<T>(p.C, dy, y, dx), [&]<int N>() {
      visit_rows(p.M, p.C, [&]<bool kWholeBlock>(int64_t blocks) {
        simt::launch(softmax_backward_kernel<kWholeBlock, N, T>, grid_of(blocks), dim3(kThreads), 0, stream_of(stream),
                     dy, y, dx, p.M, p.C);
      });
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
