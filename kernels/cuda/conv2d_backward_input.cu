// Gradient of the input as a product of matrices: dx (pixels, C) = gradients seen (pixels, taps*O) weight (taps*O, C).
// It is a correlation of dy with the weights turned round; behind a stride, one for each phase.
#include "kernels/cuda/conv2d.cuh"
#include "kernels/cuda/conv2d_gemm.cuh"

namespace imago::kernels::IMAGO_BACKEND::conv2d {
namespace {

// Input rows (or columns) i with (i + padding) % stride == phase: they see the taps phase, phase + stride, ... . With
// i = start + stride*u and tap = phase + stride*(taps-1-t), t in [0, taps), their output row is u + t - shift.
struct Phase {
  int start, count, taps, shift, last_tap;

  IMAGO_HOST_DEVICE Phase(int phase, int stride, int padding, int kernel, int extent) {
    start = ((phase - padding) % stride + stride) % stride;
    count = start < extent ? (extent - start - 1) / stride + 1 : 0;
    taps = phase < kernel ? (kernel - phase - 1) / stride + 1 : 0;
    shift = taps - 1 - (start + padding) / stride;
    last_tap = phase + stride * (taps - 1);
  }
};

// How far apart a phase's weights are: from a row of the kernel, a column, an output channel to the next one.
struct WeightSteps {
  int row, column, channel;
};

// The weights that a phase sees, from the last tap to the first, as the source of mn-major tiles: rows are (r, s,
// output channel), columns input channels.
template <typename T, typename Tile, int VECTOR, int THREADS>
struct TurnedWeights {
  static constexpr int kVector = VECTOR;
  using MyShare = Share<Tile, VECTOR, THREADS>;

  const T* origin;  // (O, KH, KW, C)
  int first;        // the last tap of the column
  Digits k;         // far behind the last tap if the column is outside
  int taps;         // down the kernel
  WeightSteps step;

  // `last`: where the last tap of the tile's first column is.
  __device__ TurnedWeights(const T* weight, int last, const Window& seen, int extent, const WeightSteps& step)
      : origin(weight), first(last + MyShare().column), k(MyShare().row, seen.KW, seen.C), taps(seen.KH),
        step(step) {
    if (MyShare().column >= extent) k.high = 1 << 30;
  }
  __device__ const T* at(int) const {
    const int here = first + k.low * step.channel - k.high * step.row - k.middle * step.column;
    return k.high < taps ? origin + here : nullptr;
  }
  __device__ void next_row() { k.advance(MyShare::kStep); }
  __device__ void next_tile() {}
};

// Grid (pixels and channels, phases). Two walks along taps take more registers than kMinBlocks would leave.
template <typename Product, int VECTOR>
__global__ void __launch_bounds__(Product::Tile::kThreads)
    conv2d_backward_input_kernel(const typename Product::Tile::T* __restrict__ dy,
                                 const typename Product::Tile::T* __restrict__ weight,
                                 StorePixels<typename Product::Tile::T> store, Window window, WeightSteps step,
                                 int64_t images) {
  using Tile = typename Product::Tile;
  using T = typename Tile::T;
  SIMT_DYNAMIC_SHARED(unsigned char, memory);
  SIMT_SHARED(InputRow<T>, inputs, [Tile::M]);
  SIMT_SHARED(OutputRow, outputs, [Tile::M]);
  const int stride = window.stride, phase = static_cast<int>(blockIdx.y), O = window.O, C = window.C;
  const Phase rows(phase / stride, stride, window.top, window.KH, window.H);
  const Phase columns(phase % stride, stride, window.left, window.KW, window.W);
  const int pixels = rows.count * columns.count;  // of an image that are of this phase
  const int tile = static_cast<int>(blockIdx.x), tiles_n = static_cast<int>(divide_up(C, Tile::N));
  const int64_t m0 = int64_t{tile / tiles_n} * Tile::M;
  if (m0 >= images * pixels) return;
  const Window seen{.H = window.HO, .W = window.WO, .C = O, .O = C, .KH = rows.taps,
                    .KW = columns.taps > 0 ? columns.taps : 1,
                    .HO = rows.count, .WO = columns.count, .stride = 1, .top = rows.shift, .left = columns.shift};
  store.n0 = tile % tiles_n * Tile::N;
  store.rows = outputs;
  const int row = static_cast<int>(threadIdx.x);
  if (row < Tile::M) {
    const int64_t image = (m0 + row) / pixels;
    const int pixel = static_cast<int>(m0 + row - image * pixels);
    const int u = pixel / columns.count, v = pixel % columns.count;
    const int at = (rows.start + stride * u) * window.W + columns.start + stride * v;
    const InputRow<T> input = input_row(dy, seen, image, u, v, image < images);
    inputs[row] = input;
    outputs[row] = {image < images ? static_cast<int>(image) : -1, at};
  }
  __syncthreads();
  const int n0 = store.n0, tap = rows.last_tap * window.KW + columns.last_tap;
  PixelRows<T, typename Product::ATile, VECTOR, Tile::kThreads> a(dy, inputs, seen);
  TurnedWeights<T, typename Product::BTile, VECTOR, Tile::kThreads> b(weight, tap * C + n0, seen, C - n0, step);
  const int steps = static_cast<int>(divide_up(int64_t{rows.taps} * columns.taps * O, Tile::K));
  multiply_tiles<Product>(a, b, steps, memory, store);
}

struct Make {
  template <typename Tile>
  using TensorCore = TensorCoreProduct<Tile, Major::k, Major::mn>;
  template <typename Tile>
  using Scalar = ScalarProduct<Tile, Major::k, Major::mn>;
};

}  // namespace

void gemm_backward_input(const Conv2dBackwardInput& p, Arithmetic arithmetic, Stream stream) {
  visit<float, bfloat16>(p.dtype, "conv2d_backward_input", [&]<typename T>() {
    const T *dy = static_cast<const T*>(p.dy), *weight = static_cast<const T*>(p.weight);
    const Conv2dShape& s = p.shape;
    const Window window = window_of(s);
    const WeightSteps step{.row = window.stride * window.KW * window.C, .column = window.stride * window.C,
                           .channel = window.KH * window.KW * window.C};
    const StorePixels<T> store{.rows = nullptr, .pixels = s.H * s.W, .bias = nullptr, .channel_bias = nullptr,
                               .residual = nullptr, .y = static_cast<T*>(p.dx), .O = window.C, .n0 = 0,
                               .packed = pack_width<T>(s.C, static_cast<T*>(p.dx)) > 1};
    const int64_t pixels = s.N * divide_up(s.H, s.stride) * divide_up(s.W, s.stride);  // of the largest phase
    const bool vectors = pack_width<T>(s.C, weight) > 1 && pack_width<T>(s.O, dy) > 1;
    const auto launch = [&]<typename Product, int VECTOR>() {
      const int64_t blocks = divide_up(pixels, Product::Tile::M) * divide_up(s.C, Product::Tile::N);
      const dim3 grid(grid_of(blocks).x, static_cast<unsigned>(s.stride * s.stride));
      simt::launch(conv2d_backward_input_kernel<Product, VECTOR>, grid, dim3(Product::Tile::kThreads),
                   kTileBytes<Product>, stream_of(stream), dy, weight, store, window, step, s.N);
    };
    visit_product<T, Make>(arithmetic, pixels * s.stride * s.stride, s.C, vectors, launch);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND::conv2d
