// One thread for each pack of neighbouring elements: the shape of all element-by-element kernels.
#pragma once

#include "kernels/cuda/device/launch.cuh"

namespace imago::kernels::IMAGO_BACKEND {

template <int N, typename Body>
__global__ void __launch_bounds__(kThreads) for_each_pack_kernel(int64_t n, Body body) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * N;
  if (i + N <= n) {
    body.template run<N>(i);
  } else {
    for (int64_t k = i; k < n; ++k) body.template run<1>(k);  // the tail
  }
}

// Calls body.run<N>(i) for the elements [i, i + N) of [0, n), each once. N is kPack<T> if every one of `pointers`, the
// arrays that the body goes through, is aligned to 16 bytes; else, and for the tail, 1. Body is a struct of plain
// values whose run<N> is a __device__ function. No pack crosses a multiple of `width`: for arrays that are walked in
// rows of that many elements.
template <typename T, typename Body, typename... P>
void for_each_pack_in_rows(int64_t n, int64_t width, Stream stream, const Body& body, const P*... pointers) {
  if (n == 0) return;
  visit_pack<T>(pack_width<T>(width, pointers...), [&]<int N>() {
    simt::launch(for_each_pack_kernel<N, Body>, grid_of(divide_up(n, int64_t{kThreads} * N)), dim3(kThreads), 0,
                 stream_of(stream), n, body);
  });
}
template <typename T, typename Body, typename... P>
void for_each_pack(int64_t n, Stream stream, const Body& body, const P*... pointers) {
  for_each_pack_in_rows<T>(n, 0, stream, body, pointers...);
}

}  // namespace imago::kernels::IMAGO_BACKEND
