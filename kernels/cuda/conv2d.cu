// The convolution's launchers: which kernel for which problem; and the sums for the biases.
#include "kernels/cuda/conv2d.cuh"

#include <algorithm>

#include "kernels/conv2d_algorithm.h"
#include "kernels/precision.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace conv2d {
namespace {

// ---- which kernels ----

// The rung of the ladder for this problem: the highest there is, or what somebody asked for.
Conv2dAlgorithm algorithm_for(const Conv2dShape& s, DType dtype) {
  const Conv2dAlgorithm wish = conv2d_algorithm();
  if (s.groups > 1 || dtype == DType::f64) return Conv2dAlgorithm::direct;
  if (wish == Conv2dAlgorithm::tiled && dtype == DType::bf16) return Conv2dAlgorithm::direct;
  if (wish != Conv2dAlgorithm::automatic) return wish;
  const bool exact = dtype == DType::f32 && matmul_precision() == MatmulPrecision::f32;
  return exact ? Conv2dAlgorithm::tiled : Conv2dAlgorithm::pipelined;
}

template <typename P>
void run(const P& p, Stream stream, void (*depthwise)(const P&, Stream), void (*direct)(const P&, Stream),
         void (*gemm)(const P&, Arithmetic, Stream)) {
  if (fits_depthwise(p.shape) && conv2d_algorithm() != Conv2dAlgorithm::direct) return depthwise(p, stream);
  switch (algorithm_for(p.shape, p.dtype)) {
    case Conv2dAlgorithm::tiled: return gemm(p, Arithmetic::scalar, stream);
    case Conv2dAlgorithm::tensor_core: return gemm(p, Arithmetic::tensor_core, stream);
    case Conv2dAlgorithm::pipelined: return gemm(p, Arithmetic::pipelined, stream);
    default: return direct(p, stream);
  }
}

// ---- biases: column sums of dy, first over a part of an image's positions, then over the parts, then over images ----

// Sums over the positions [part*length, (part+1)*length) of image blockIdx.z for the columns of kThreads threads:
// `lanes` threads lie along packs of N channels, the others along positions. Grid (channels, parts, images).
template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    sum_positions_kernel(const T* __restrict__ dy, Accumulator<T>* __restrict__ partial, int64_t S, int64_t O,
                         int64_t length, int lanes) {
  SIMT_SHARED(Accumulator<T>, sums, [kThreads * N]);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % lanes, row = thread / lanes;
  const int rows = kThreads / lanes;
  const int64_t o = (int64_t{blockIdx.x} * lanes + lane) * N, image = blockIdx.z;
  const int64_t begin = blockIdx.y * length, end = begin + length < S ? begin + length : S;
  Accumulator<T> sum[N] = {};
  if (o < O) {
    for (int64_t s = begin + row; s < end; s += rows) {
      const Pack<T, N> values = load_pack<N>(dy + (image * S + s) * O + o);
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += Accumulator<T>(values.v[k]);
    }
  }
#pragma unroll
  for (int k = 0; k < N; ++k) sums[k * kThreads + thread] = sum[k];
  for (int half = rows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half)
      for (int k = 0; k < N; ++k) sums[k * kThreads + thread] += sums[k * kThreads + thread + half * lanes];
  }
  if (row == 0 && o < O)
    for (int k = 0; k < N; ++k)
      partial[(image * gridDim.y + blockIdx.y) * O + o + k] = sums[k * kThreads + thread];
}

// out[n][o] = the sum over `parts` of partial[n][part][o].
template <typename T>
struct SumImages {
  const Accumulator<T>* partial;  // (N, parts, O)
  T* out;                         // (N, O)
  int64_t parts, O;

  __device__ void operator()(int64_t i) const {
    const Accumulator<T>* from = partial + i / O * parts * O + i % O;
    Accumulator<T> sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += from[part * O];
    out[i] = T(sum);
  }
};

template <typename T>
void backward_bias(const Conv2dBackwardBias& p, Stream stream) {
  const T* dy = static_cast<const T*>(p.dy);
  const int64_t parts = std::clamp<int64_t>(p.S / 128, 1, 64), length = divide_up(p.S, parts);
  const Workspace<Accumulator<T>> partial(p.N * parts * p.O);
  visit_pack<T>(pack_width<T>(p.O, dy), [&]<int N>() {
    int lanes = 1;
    while (lanes < 32 && lanes * N < p.O) lanes *= 2;
    for (int64_t n = 0; n < p.N; n += 65535) {  // as many as a grid has
      const dim3 grid(static_cast<unsigned>(divide_up(p.O, lanes * N)), static_cast<unsigned>(parts),
                      static_cast<unsigned>(std::min<int64_t>(p.N - n, 65535)));
      simt::launch(sum_positions_kernel<T, N>, grid, dim3(kThreads), 0, stream_of(stream), dy + n * p.S * p.O,
                   partial.data() + n * parts * p.O, p.S, p.O, length, lanes);
    }
  });
  if (T* dchannel_bias = static_cast<T*>(p.dchannel_bias))
    for_each(p.N * p.O, stream, SumImages<T>{partial.data(), dchannel_bias, parts, p.O});
  using A = Accumulator<T>;
  if (A* dbias = static_cast<A*>(p.dbias)) {
    if (p.N * parts <= 256) {
      for_each(p.O, stream, SumImages<A>{partial.data(), dbias, p.N * parts, p.O});
    } else {  // over the parts of each image first
      const Workspace<A> images(p.N * p.O);
      for_each(p.N * p.O, stream, SumImages<A>{partial.data(), images.data(), parts, p.O});
      for_each(p.O, stream, SumImages<A>{images.data(), dbias, p.N, p.O});
    }
  }
}

}  // namespace
}  // namespace conv2d

void conv2d_forward(const Conv2dForward& p, Stream stream) {
  conv2d::run(p, stream, conv2d::depthwise_forward, conv2d::direct_forward, conv2d::gemm_forward);
}

void conv2d_backward_input(const Conv2dBackwardInput& p, Stream stream) {
  conv2d::run(p, stream, conv2d::depthwise_backward_input, conv2d::direct_backward_input, conv2d::gemm_backward_input);
}

void conv2d_backward_weight(const Conv2dBackwardWeight& p, Stream stream) {
  conv2d::run(p, stream, conv2d::depthwise_backward_weight, conv2d::direct_backward_weight,
              conv2d::gemm_backward_weight);
}

void conv2d_backward_bias(const Conv2dBackwardBias& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "conv2d_backward_bias",
                                 [&]<typename T>() { conv2d::backward_bias<T>(p, stream); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
