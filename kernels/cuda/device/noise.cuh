// Kernels that draw Gaussian noise on the way. One evaluation of the generator yields four numbers, so a thread has the
// (at most) four elements that these are for. Files that include this are compiled without contraction of a * b + c
// (cmake/ImagoDevices.cmake), so that the numbers are the CPU's, bit for bit.
#pragma once

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/noise.h"

namespace imago::kernels::IMAGO_BACKEND {

// The four normals that four random words make.
__device__ __forceinline__ Pack<float, 4> normals_of(const Philox4& words) {
  const NormalPair a = normals_from(words.v[0], words.v[1]), b = normals_from(words.v[2], words.v[3]);
  return {{a.v[0], a.v[1], b.v[0], b.v[1]}};
}

// Elements 4 * block .. 4 * block + 3 of the key's sequence, as core/random's fill_normal has them.
template <typename A>
__device__ __forceinline__ Pack<A, 4> four_normals(const RandomKey& key, uint64_t block) {
  const Pack<float, 4> z = normals_of(random_words(key, block));
  return {{A(z.v[0]), A(z.v[1]), A(z.v[2]), A(z.v[3])}};
}

// The noise of elements [at, at + N) where it is given, `drawn` where not.
template <typename T, int N>
__device__ __forceinline__ Pack<Accumulator<T>, N> given_or(const Pack<Accumulator<T>, N>& drawn, const void* values,
                                                           int64_t at) {
  if (!values) return drawn;
  const Pack<T, N> given = load_pack<N>(static_cast<const T*>(values) + at);
  Pack<Accumulator<T>, N> z;
  for (int k = 0; k < N; ++k) z.v[k] = Accumulator<T>(given.v[k]);
  return z;
}

// Sample n's noise starts at element first + n * E of the sequence, which need not be the first of a block of four:
// thread k of the sample has elements [4 k - skew, 4 k - skew + 4) of it, as far as they exist. kWide says that no
// sample is skewed, nor ends within a block, and that all arrays can be walked in packs of four.
template <typename T, bool kWide, typename Body>
__global__ void __launch_bounds__(kThreads)
    for_each_four_kernel(int64_t threads, Divisor threads_per_sample, int64_t E, NoiseSource noise, Body body) {
  using A = Accumulator<T>;
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (thread >= threads) return;
  const auto [n, k] = threads_per_sample.divide(thread);
  const uint64_t start = noise.drawn ? noise.first + static_cast<uint64_t>(n * E) : 0;
  const int skew = static_cast<int>(start % 4);
  Pack<A, 4> z{};
  if (noise.drawn) z = four_normals<A>(noise.key, start / 4 + static_cast<uint64_t>(k));
  const int64_t i = 4 * k - skew;
  if constexpr (kWide) {
    body.template run<4>(n, i, given_or<T>(z, noise.values, n * E + i));
  } else {
#pragma unroll
    for (int lane = 0; lane < 4; ++lane)
      if (i + lane >= 0 && i + lane < E)
        body.template run<1>(n, i + lane, given_or<T>(Pack<A, 1>{{z.v[lane]}}, noise.values, n * E + i + lane));
  }
}

// Calls body.run<W>(n, i, z) for the elements [i, i + W) of every sample n < N of E elements, each once, with z
// (Pack<Accumulator<T>, W>) their noise, zeros if there is none. W is 4 if rows of `row` elements, of which a sample is
// made, and `pointers`, the arrays that the body goes through, allow it; else 1.
template <typename T, typename Body, typename... P>
void for_each_four(int64_t N, int64_t E, int64_t row, const NoiseSource& noise, Stream stream, const Body& body,
                   const P*... pointers) {
  const auto bits = (reinterpret_cast<uintptr_t>(pointers) | ... | reinterpret_cast<uintptr_t>(noise.values));
  const bool wide = row % 4 == 0 && bits % (4 * sizeof(T)) == 0 && (!noise.drawn || noise.first % 4 == 0);
  const int64_t per_sample = wide ? E / 4 : divide_up(E + 3, 4), threads = N * per_sample;
  const auto launch = [&](auto kernel) {
    simt::launch(kernel, grid_of(divide_up(threads, kThreads)), dim3(kThreads), 0, stream_of(stream), threads,
                 Divisor(per_sample), E, noise, body);
  };
  if (wide) launch(for_each_four_kernel<T, true, Body>);
  else launch(for_each_four_kernel<T, false, Body>);
}

}  // namespace imago::kernels::IMAGO_BACKEND
