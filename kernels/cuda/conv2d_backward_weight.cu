// Gradient of the weights as a product of matrices: dweight (O, KH*KW*C) is dy^T (O, pixels) times the inputs seen
// (pixels, KH*KW*C). The result is small and the sums are long, so the pixels are shared out among many blocks
// ("split-K"), and a second kernel adds up what they found, always in the same order.
#include "kernels/cuda/conv2d.cuh"
#include "kernels/cuda/conv2d_gemm.cuh"
#include "kernels/cuda/device/sum_parts.cuh"

namespace imago::kernels::IMAGO_BACKEND::conv2d {
namespace {

// Grid (tiles, parts of the pixels).
template <typename Product, int VECTOR>
__global__ void __launch_bounds__(Product::Tile::kThreads, Product::kMinBlocks)
    conv2d_backward_weight_kernel(const typename Product::Tile::T* __restrict__ dy,
                                  const typename Product::Tile::T* __restrict__ x, float* __restrict__ partial,
                                  Window window, int64_t pixels, int64_t pixels_per_part) {
  using Tile = typename Product::Tile;
  using T = typename Tile::T;
  SIMT_DYNAMIC_SHARED(unsigned char, memory);
  const int N = window.KH * window.KW * window.C, tiles_n = static_cast<int>(divide_up(N, Tile::N));
  const int tile = static_cast<int>(blockIdx.x), m0 = tile / tiles_n * Tile::M, n0 = tile % tiles_n * Tile::N;
  const int64_t begin = blockIdx.y * pixels_per_part;
  const int64_t end = begin + pixels_per_part < pixels ? begin + pixels_per_part : pixels;
  MatrixColumns<T, typename Product::ATile, VECTOR, Tile::kThreads> a(dy + m0, window.O, window.O - m0, begin, end);
  PixelColumns<T, typename Product::BTile, VECTOR, Tile::kThreads> b(x, window, n0, begin, end);
  const StoreMatrix<float> store{.c = partial + (int64_t{blockIdx.y} * window.O + m0) * N + n0, .row_step = N,
                                 .rows = window.O - m0, .columns = N - n0, .packed = N % kPack<float> == 0};
  multiply_tiles<Product>(a, b, static_cast<int>(divide_up(end - begin, Tile::K)), memory, store);
}

struct Make {
  template <typename Tile>
  using TensorCore = TensorCoreProduct<Tile, Major::mn, Major::mn>;
  template <typename Tile>
  using Scalar = ScalarProduct<Tile, Major::mn, Major::mn>;
};

}  // namespace

void gemm_backward_weight(const Conv2dBackwardWeight& p, Arithmetic arithmetic, Stream stream) {
  visit<float, bfloat16>(p.dtype, "conv2d_backward_weight", [&]<typename T>() {
    const T *dy = static_cast<const T*>(p.dy), *x = static_cast<const T*>(p.x);
    const Conv2dShape& s = p.shape;
    const Window window = window_of(s);
    const int64_t N = s.KH * s.KW * s.C, pixels = s.N * s.HO * s.WO;
    const bool vectors = pack_width<T>(s.C, x) > 1 && pack_width<T>(s.O, dy) > 1;
    const auto launch = [&]<typename Product, int VECTOR>() {
      constexpr int K = Product::Tile::K;
      const int64_t tiles = divide_up(s.O, Product::Tile::M) * divide_up(N, Product::Tile::N);
      const int64_t parts_wanted = std::clamp<int64_t>(2 * kBlocksWanted / tiles, 1, divide_up(pixels, 4 * K));
      const int64_t per_part = divide_up(divide_up(pixels, parts_wanted), K) * K, parts = divide_up(pixels, per_part);
      const bool direct = parts == 1;  // then no second stage is needed
      const Workspace<float> workspace(direct ? 0 : parts * s.O * N);
      float *dweight = static_cast<float*>(p.dweight), *partial = direct ? dweight : workspace.data();
      const dim3 grid(grid_of(tiles).x, static_cast<unsigned>(parts));
      simt::launch(conv2d_backward_weight_kernel<Product, VECTOR>, grid, dim3(Product::Tile::kThreads),
                   kTileBytes<Product>, stream_of(stream), dy, x, partial, window, pixels, per_part);
      if (!direct) sum_parts(partial, dweight, parts, s.O * N, stream);
    };
    visit_product<T, Make>(arithmetic, s.O, N, vectors, launch, /*split=*/true);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND::conv2d
