// Convolution forward as a product of matrices: y (pixels, O) = inputs seen (pixels, KH*KW*C) weight^T (KH*KW*C, O).
#include "kernels/cuda/conv2d.cuh"
#include "kernels/cuda/conv2d_gemm.cuh"

namespace imago::kernels::IMAGO_BACKEND::conv2d {
namespace {

template <typename Product, int VECTOR>
__global__ void __launch_bounds__(Product::Tile::kThreads, Product::kMinBlocks)
    conv2d_forward_kernel(const typename Product::Tile::T* __restrict__ x,
                          const typename Product::Tile::T* __restrict__ weight,
                          StorePixels<typename Product::Tile::T> store, Window window, int64_t images) {
  using Tile = typename Product::Tile;
  using T = typename Tile::T;
  SIMT_DYNAMIC_SHARED(unsigned char, memory);
  SIMT_SHARED(InputRow<T>, inputs, [Tile::M]);
  SIMT_SHARED(OutputRow, outputs, [Tile::M]);
  // Blocks that share pixels run at the same time.
  const int tile = static_cast<int>(blockIdx.x), tiles_n = static_cast<int>(divide_up(window.O, Tile::N));
  const int64_t m0 = int64_t{tile / tiles_n} * Tile::M;
  store.n0 = tile % tiles_n * Tile::N;
  store.rows = outputs;
  const int row = static_cast<int>(threadIdx.x);
  if (row < Tile::M) {
    const int64_t m = m0 + row, image = m / (window.HO * window.WO);
    const int pixel = static_cast<int>(m - image * (window.HO * window.WO));
    const InputRow<T> input = input_row(x, window, image, pixel / window.WO, pixel % window.WO, image < images);
    inputs[row] = input;
    outputs[row] = {image < images ? static_cast<int>(image) : -1, pixel};
  }
  __syncthreads();
  const int64_t K = int64_t{window.KH} * window.KW * window.C;
  PixelRows<T, typename Product::ATile, VECTOR, Tile::kThreads> a(x, inputs, window);
  MatrixRows<T, typename Product::BTile, VECTOR, Tile::kThreads> b(weight + store.n0 * K, K, window.O - store.n0, 0, K);
  multiply_tiles<Product>(a, b, static_cast<int>(divide_up(K, Tile::K)), memory, store);
}

struct Make {
  template <typename Tile>
  using TensorCore = TensorCoreProduct<Tile, Major::k, Major::k>;
  template <typename Tile>
  using Scalar = ScalarProduct<Tile, Major::k, Major::k>;
};

}  // namespace

void gemm_forward(const Conv2dForward& p, Arithmetic arithmetic, Stream stream) {
  visit<float, bfloat16>(p.dtype, "conv2d", [&]<typename T>() {
    const auto in = [](const void* values) { return static_cast<const T*>(values); };
    const Window window = window_of(p.shape);
    const StorePixels<T> store{
        .rows = nullptr, .pixels = p.shape.HO * p.shape.WO, .bias = in(p.bias),
        .channel_bias = in(p.channel_bias), .residual = in(p.residual),
        .y = static_cast<T*>(p.y), .O = window.O, .n0 = 0,
        .packed = pack_width<T>(p.shape.O, in(p.bias), in(p.channel_bias), in(p.residual), in(p.y)) > 1,
    };
    const int64_t pixels = p.shape.N * p.shape.HO * p.shape.WO;
    const bool vectors = pack_width<T>(p.shape.C, in(p.x), in(p.weight)) > 1;
    visit_product<T, Make>(arithmetic, pixels, p.shape.O, vectors, [&]<typename Product, int VECTOR>() {
      const int64_t blocks = divide_up(pixels, Product::Tile::M) * divide_up(p.shape.O, Product::Tile::N);
      simt::launch(conv2d_forward_kernel<Product, VECTOR>, grid_of(blocks), dim3(Product::Tile::kThreads),
                   kTileBytes<Product>, stream_of(stream), in(p.x), in(p.weight), store, window, p.shape.N);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND::conv2d
