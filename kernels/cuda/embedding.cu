// A table of vectors: lookups, and the gradients that several of them may share.
#include "kernels/embedding.h"

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/elementwise.cuh"
#include "kernels/cuda/device/reduce.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// One thread copies one pack.
template <int N, typename T, typename Id>
struct Lookup {
  const Id* ids;    // (M)
  const T* weight;  // (V, C)
  T* y;             // (M, C)
  int64_t C;
  Divisor packs;  // of a row

  __device__ void operator()(int64_t i) const {
    const auto [row, pack] = packs.divide(i);
    const int64_t c = pack * N;
    store_pack(y + row * C + c, load_pack<N>(weight + int64_t{ids[row]} * C + c));
  }
};

// A block for each position i. The one at the first occurrence of an id adds up dy of all its occurrences, in order;
// the others have nothing to do. A thread has one column. The ids are read M / 2 times on average, by all threads side
// by side: that is cheap up to some ten thousand ids, and needs neither sorting nor atomics.
template <typename T, typename Id>
__global__ void __launch_bounds__(kThreads)
    embedding_backward_kernel(const Id* __restrict__ ids, const T* __restrict__ dy, T* __restrict__ dweight, int64_t M,
                              int64_t C) {
  SIMT_SHARED(int, scratch, [kWarp]);
  SIMT_SHARED(unsigned, found, [kThreads / kWarp]);  // a bit for each of kThreads positions
  const int t = static_cast<int>(threadIdx.x);
  const int64_t i = blockIdx.x, c = int64_t{blockIdx.y} * kThreads + t;
  const Id id = ids[i];

  int earlier = 0;
  for (int64_t j = t; j < i && !earlier; j += kThreads) earlier = ids[j] == id;
  if (block_reduce<Max>(earlier, scratch)) return;

  Accumulator<T> sum = 0;
  for (int64_t j = i; j < M; j += kThreads) {
    const unsigned mask = __ballot_sync(kAllLanes, j + t < M && ids[j + t] == id);
    if (t % kWarp == 0) found[t / kWarp] = mask;
    __syncthreads();
    for (int warp = 0; warp < kThreads / kWarp; ++warp)
      for (unsigned left = found[warp]; left; left &= left - 1) {
        const int64_t row = j + warp * kWarp + __ffs(static_cast<int>(left)) - 1;
        if (c < C) sum += Accumulator<T>(dy[row * C + c]);
      }
    __syncthreads();
  }
  if (c < C) dweight[int64_t{id} * C + c] = T(sum);
}

}  // namespace

void embedding_forward(const EmbeddingForward& p, Stream stream) {
  visit<int32_t, int64_t>(p.ids_dtype, "embedding", [&]<typename Id>() {
    visit<float, double, bfloat16>(p.dtype, "embedding", [&]<typename T>() {
      const T* weight = static_cast<const T*>(p.weight);
      T* y = static_cast<T*>(p.y);
      visit_pack<T>(pack_width<T>(p.C, weight, y), [&]<int N>() {
        const Lookup<N, T, Id> body{static_cast<const Id*>(p.ids), weight, y, p.C, Divisor(p.C / N)};
        for_each(p.M * (p.C / N), stream, body);
      });
    });
  });
}

void embedding_backward(const EmbeddingBackward& p, Stream stream) {
  visit<int32_t, int64_t>(p.ids_dtype, "embedding", [&]<typename Id>() {
    visit<float, double, bfloat16>(p.dtype, "embedding", [&]<typename T>() {
      const dim3 grid(grid_of(p.M).x, static_cast<unsigned>(divide_up(p.C, kThreads)));
      simt::launch(embedding_backward_kernel<T, Id>, grid, dim3(kThreads), 0, stream_of(stream),
                   static_cast<const Id*>(p.ids), static_cast<const T*>(p.dy), static_cast<T*>(p.dweight), p.M, p.C);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
