// Depthwise convolution: each channel has a kernel of its own and sees no other channel. A thread holds a pack of
// neighbouring channels; 32 threads lie along the channels, 8 along pixels, and a block's kernels are in shared memory.
#include <algorithm>

#include "kernels/cuda/conv2d.cuh"
#include "kernels/cuda/device/sum_parts.cuh"

namespace imago::kernels::IMAGO_BACKEND::conv2d {
namespace {

constexpr int kLanes = 32, kRows = kThreads / kLanes;
constexpr int kPixels = 8;  // of a thread, one after another

// weights[tap][channel] = those of the `channels` channels from c0 on, zeros behind the last channel.
template <typename T>
__device__ void load_weights(Accumulator<T>* weights, const T* weight, int64_t c0, int channels, int64_t C, int taps) {
  for (int i = static_cast<int>(threadIdx.x); i < channels * taps; i += kThreads) {
    const int64_t c = c0 + i / taps;
    weights[i % taps * channels + i / taps] = c < C ? Accumulator<T>(weight[c * taps + i % taps]) : Accumulator<T>(0);
  }
  __syncthreads();
}

template <int N, typename T>
__device__ void multiply_add(Accumulator<T> (&sum)[N], const T* x, const Accumulator<T>* weights) {
  const Pack<T, N> values = load_pack<N>(x);
#pragma unroll
  for (int k = 0; k < N; ++k) sum[k] += Accumulator<T>(values.v[k]) * weights[k];
}
template <int N, typename T>
__device__ void add(Accumulator<T> (&sum)[N], const T* addend) {
  if (!addend) return;
  const Pack<T, N> values = load_pack<N>(addend);
#pragma unroll
  for (int k = 0; k < N; ++k) sum[k] += Accumulator<T>(values.v[k]);
}
template <int N, typename T>
__device__ void store_sum(T* to, const Accumulator<T> (&sum)[N]) {
  Pack<T, N> out;
#pragma unroll
  for (int k = 0; k < N; ++k) out.v[k] = T(sum[k]);
  store_pack(to, out);
}

// Grid (pixels, channels).
template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    depthwise_forward_kernel(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias,
                             const T* __restrict__ channel_bias, const T* __restrict__ residual, T* __restrict__ y,
                             Conv2dShape s) {
  SIMT_DYNAMIC_SHARED(Accumulator<T>, weights);  // (KH, KW, kLanes*N)
  const int lane = static_cast<int>(threadIdx.x) % kLanes, row = static_cast<int>(threadIdx.x) / kLanes;
  const int KH = static_cast<int>(s.KH), KW = static_cast<int>(s.KW);
  const int64_t c0 = int64_t{blockIdx.y} * kLanes * N, c = c0 + lane * N;
  load_weights(weights, weight, c0, kLanes * N, s.C, KH * KW);
  if (c >= s.C) return;
  const int64_t pixels = s.N * s.HO * s.WO;
  for (int step = 0; step < kPixels; ++step) {
    const int64_t pixel = (int64_t{blockIdx.x} * kPixels + step) * kRows + row;
    if (pixel >= pixels) return;
    const int WO = static_cast<int>(s.WO), stride = static_cast<int>(s.stride);
    const int64_t n = pixel / (s.HO * s.WO);
    const int in_image = static_cast<int>(pixel - n * (s.HO * s.WO));
    const int h0 = in_image / WO * stride - static_cast<int>(s.top);
    const int w0 = in_image % WO * stride - static_cast<int>(s.left);
    Accumulator<T> sum[N] = {};
    for (int r = 0; r < KH; ++r)
      for (int t = 0; t < KW; ++t) {
        const int h = h0 + r, w = w0 + t;
        if (h >= 0 && h < s.H && w >= 0 && w < s.W)
          multiply_add<N>(sum, x + ((n * s.H + h) * s.W + w) * s.C + c, weights + ((r * KW + t) * kLanes + lane) * N);
      }
    add<N>(sum, bias ? bias + c : nullptr);
    add<N>(sum, channel_bias ? channel_bias + n * s.C + c : nullptr);
    add<N>(sum, residual ? residual + pixel * s.C + c : nullptr);
    store_sum(y + pixel * s.C + c, sum);
  }
}

// The outputs that saw this input: those with i*stride + r - top = h for a tap r, and the like for columns.
template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    depthwise_backward_input_kernel(const T* __restrict__ dy, const T* __restrict__ weight, T* __restrict__ dx,
                                    Conv2dShape s) {
  SIMT_DYNAMIC_SHARED(Accumulator<T>, weights);  // (KH, KW, kLanes*N)
  const int lane = static_cast<int>(threadIdx.x) % kLanes, row = static_cast<int>(threadIdx.x) / kLanes;
  const int KH = static_cast<int>(s.KH), KW = static_cast<int>(s.KW), stride = static_cast<int>(s.stride);
  const int64_t c0 = int64_t{blockIdx.y} * kLanes * N, c = c0 + lane * N;
  load_weights(weights, weight, c0, kLanes * N, s.C, KH * KW);
  if (c >= s.C) return;
  const int64_t pixels = s.N * s.H * s.W;
  for (int step = 0; step < kPixels; ++step) {
    const int64_t pixel = (int64_t{blockIdx.x} * kPixels + step) * kRows + row;
    if (pixel >= pixels) return;
    const int64_t n = pixel / (s.H * s.W);
    const int W = static_cast<int>(s.W), in_image = static_cast<int>(pixel - n * (s.H * s.W));
    const int h = in_image / W + static_cast<int>(s.top), w = in_image % W + static_cast<int>(s.left);
    Accumulator<T> sum[N] = {};
    for (int r = h % stride; r < KH && r <= h; r += stride)
      for (int t = w % stride; t < KW && t <= w; t += stride) {
        const int i = (h - r) / stride, j = (w - t) / stride;
        if (i < s.HO && j < s.WO)
          multiply_add<N>(sum, dy + ((n * s.HO + i) * s.WO + j) * s.C + c,
                          weights + ((r * KW + t) * kLanes + lane) * N);
      }
    store_sum(dx + pixel * s.C + c, sum);
  }
}

// One tap of one part of the output pixels. Grid (channels, KH*KW, parts).
template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    depthwise_backward_weight_kernel(const T* __restrict__ dy, const T* __restrict__ x,
                                     Accumulator<T>* __restrict__ partial, Conv2dShape s, int64_t pixels_per_part) {
  SIMT_SHARED(Accumulator<T>, sums, [kRows][kLanes * N]);
  const int lane = static_cast<int>(threadIdx.x) % kLanes, row = static_cast<int>(threadIdx.x) / kLanes;
  const int64_t r = blockIdx.y / s.KW, t = blockIdx.y % s.KW, taps = s.KH * s.KW;
  const int64_t c = (int64_t{blockIdx.x} * kLanes + lane) * N, pixels = s.N * s.HO * s.WO;
  const int64_t begin = blockIdx.z * pixels_per_part;
  const int64_t end = begin + pixels_per_part < pixels ? begin + pixels_per_part : pixels;
  Accumulator<T> sum[N] = {};
  if (c < s.C) {
    for (int64_t pixel = begin + row; pixel < end; pixel += kRows) {
      const int64_t n = pixel / s.WO / s.HO, h = pixel / s.WO % s.HO * s.stride + r - s.top;
      const int64_t w = pixel % s.WO * s.stride + t - s.left;
      if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;
      const Pack<T, N> seen = load_pack<N>(x + ((n * s.H + h) * s.W + w) * s.C + c);
      const Pack<T, N> gradient = load_pack<N>(dy + pixel * s.C + c);
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += Accumulator<T>(seen.v[k]) * Accumulator<T>(gradient.v[k]);
    }
  }
#pragma unroll
  for (int k = 0; k < N; ++k) sums[row][k * kLanes + lane] = sum[k];
  __syncthreads();
  if (row != 0 || c >= s.C) return;
  for (int k = 0; k < N; ++k) {
    Accumulator<T> total = 0;
    for (int i = 0; i < kRows; ++i) total += sums[i][k * kLanes + lane];
    partial[(blockIdx.z * s.C + c + k) * taps + blockIdx.y] = total;
  }
}

template <typename T, int N>
size_t weights_bytes(const Conv2dShape& s) {
  return static_cast<size_t>(s.KH * s.KW * kLanes * N) * sizeof(Accumulator<T>);
}

// Runs f.operator()<N>() with the packs of N channels to use: whole ones, or one channel where there are too many taps
// for the kernels of so many channels to fit into shared memory.
template <typename T, typename F, typename... P>
void visit_channels(const Conv2dShape& s, F&& f, const P*... pointers) {
  const bool fits = weights_bytes<T, kPack<T>>(s) <= (size_t{64} << 10);
  visit_pack<T>(fits ? pack_width<T>(s.C, pointers...) : 1, f);
}

dim3 depthwise_grid(const Conv2dShape& s, int64_t pixels, int N) {
  return dim3(grid_of(divide_up(pixels, kRows * kPixels)).x, static_cast<unsigned>(divide_up(s.C, kLanes * N)));
}

}  // namespace

// Kernels so large that shared memory does not hold those of 32 channels go to conv2d_direct.cu.
bool fits_depthwise(const Conv2dShape& s) {
  return s.groups == s.C && s.O == s.C && weights_bytes<double, 1>(s) <= (size_t{96} << 10) && s.KH * s.KW <= 65535;
}

void depthwise_forward(const Conv2dForward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "conv2d", [&]<typename T>() {
    const auto in = [](const void* values) { return static_cast<const T*>(values); };
    const auto launch = [&]<int N>() {
      simt::launch(depthwise_forward_kernel<T, N>, depthwise_grid(p.shape, p.shape.N * p.shape.HO * p.shape.WO, N),
                   dim3(kThreads), weights_bytes<T, N>(p.shape), stream_of(stream), in(p.x), in(p.weight), in(p.bias),
                   in(p.channel_bias), in(p.residual), static_cast<T*>(p.y), p.shape);
    };
    visit_channels<T>(p.shape, launch, in(p.x), in(p.bias), in(p.channel_bias), in(p.residual), in(p.y));
  });
}

void depthwise_backward_input(const Conv2dBackwardInput& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "conv2d_backward_input", [&]<typename T>() {
    const T *dy = static_cast<const T*>(p.dy), *weight = static_cast<const T*>(p.weight);
    T* dx = static_cast<T*>(p.dx);
    const auto launch = [&]<int N>() {
      simt::launch(depthwise_backward_input_kernel<T, N>, depthwise_grid(p.shape, p.shape.N * p.shape.H * p.shape.W, N),
                   dim3(kThreads), weights_bytes<T, N>(p.shape), stream_of(stream), dy, weight, dx, p.shape);
    };
    visit_channels<T>(p.shape, launch, dy, dx);
  });
}

void depthwise_backward_weight(const Conv2dBackwardWeight& p, Stream stream) {
  const Conv2dShape& s = p.shape;
  const int64_t taps = s.KH * s.KW, size = s.C * taps, pixels = s.N * s.HO * s.WO;
  const int64_t most_parts = std::min<int64_t>(divide_up(pixels, 512), 65535);
  const int64_t per_part = divide_up(pixels, std::clamp<int64_t>((1 << 20) / size, 1, most_parts));
  const int64_t parts = divide_up(pixels, per_part);
  visit<float, double, bfloat16>(p.dtype, "conv2d_backward_weight", [&]<typename T>() {
    const T *dy = static_cast<const T*>(p.dy), *x = static_cast<const T*>(p.x);
    const Workspace<Accumulator<T>> partial(parts * size);
    visit_pack<T>(pack_width<T>(s.C, dy, x), [&]<int N>() {
      const dim3 grid(static_cast<unsigned>(divide_up(s.C, kLanes * N)), static_cast<unsigned>(taps),
                      static_cast<unsigned>(parts));
      simt::launch(depthwise_backward_weight_kernel<T, N>, grid, dim3(kThreads), 0, stream_of(stream), dy, x,
                   partial.data(), s, per_part);
    });
    sum_parts<Accumulator<T>>(partial.data(), static_cast<Accumulator<T>*>(p.dweight), parts, size, stream);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND::conv2d
