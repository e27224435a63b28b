// Convolution as a product of matrices one of which is never written ("implicit GEMM"): its rows are pixels, its
// columns the inputs that a pixel sees, and the sources below find an element in the image while tiles are copied.
#pragma once

#include <algorithm>

#include "kernels/cuda/conv2d.cuh"
#include "kernels/cuda/device/tile_mma.cuh"
#include "kernels/cuda/device/tile_scalar.cuh"

namespace imago::kernels::IMAGO_BACKEND::conv2d {

// A correlation: output (i, j) sees the inputs (i*stride + r - top, j*stride + s - left), r < KH, s < KW.
struct Window {
  int H, W, C;  // of the input
  int O, KH, KW;
  int HO, WO;  // of the output
  int stride, top, left;
};

inline Window window_of(const Conv2dShape& s) {
  IMAGO_CHECK(s.H * s.W * s.C < int64_t{1} << 31 && s.HO * s.WO * s.O < int64_t{1} << 31 &&
                  s.O * s.KH * s.KW * s.C < int64_t{1} << 31,
              "conv2d: one image and the weights must have fewer than 2^31 elements");
  const auto narrow = [](int64_t n) { return static_cast<int>(n); };
  return {.H = narrow(s.H), .W = narrow(s.W), .C = narrow(s.C), .O = narrow(s.O), .KH = narrow(s.KH),
          .KW = narrow(s.KW), .HO = narrow(s.HO), .WO = narrow(s.WO), .stride = narrow(s.stride),
          .top = narrow(s.top), .left = narrow(s.left)};
}

// The digits of a number whose lower two digits go up to middle_size and low_size.
struct Digits {
  int high, middle, low, middle_size, low_size;

  __device__ Digits(int64_t n, int middle_size, int low_size)
      : high(static_cast<int>(n / low_size / middle_size)), middle(static_cast<int>(n / low_size % middle_size)),
        low(static_cast<int>(n % low_size)), middle_size(middle_size), low_size(low_size) {}
  __device__ void advance(int n) {
    for (low += n; low >= low_size; low -= low_size)
      if (++middle == middle_size) {
        middle = 0;
        ++high;
      }
  }
};

// A row of the matrix of pixels, in shared memory for all threads of a block.
template <typename T>
struct alignas(16) InputRow {
  const T* at;  // the input's first channel under tap (0, 0), which may be outside the image
  int h, w;     // its position; far outside for rows behind the last one
};

// The row of output (i, j).
template <typename T>
__device__ __forceinline__ InputRow<T> input_row(const T* x, const Window& window, int64_t image, int i, int j,
                                                 bool exists) {
  const int h = i * window.stride - window.top, w = j * window.stride - window.left;
  constexpr int kFarOutside = -(1 << 30);
  return {x + ((image * window.H + h) * window.W + w) * window.C, exists ? h : kFarOutside, w};
}

// Where a row's results go: to a pixel of an image, or, with image -1, nowhere.
struct alignas(8) OutputRow {
  int image, pixel;
};

// The inputs that pixels see, as the source of k-major tiles: one row for each pixel, k = (r, s, channel).
template <typename T, typename Tile, int VECTOR, int THREADS>
struct PixelRows {
  static constexpr int kVector = VECTOR;

  const T* origin;
  const InputRow<T>* rows;  // (Tile::kRows)
  Window window;
  Digits k;  // of the thread's column

  __device__ PixelRows(const T* x, const InputRow<T>* rows, const Window& window)
      : origin(x), rows(rows), window(window),
        k(Share<Tile, VECTOR, THREADS>().column, window.KW, window.C) {}
  __device__ const T* at(int row) const {
    const InputRow<T> pixel = rows[row];
    const int h = pixel.h + k.high, w = pixel.w + k.middle;
    const bool inside = static_cast<unsigned>(h) < static_cast<unsigned>(window.H) &&
                        static_cast<unsigned>(w) < static_cast<unsigned>(window.W) && k.high < window.KH;
    return inside ? pixel.at + ((k.high * window.W + k.middle) * window.C + k.low) : nullptr;
  }
  __device__ void next_row() {}
  __device__ void next_tile() { k.advance(Tile::kColumns); }
};

// Their transpose, as the source of mn-major tiles: rows are output pixels from k to before k_end, columns are
// (r, s, channel) from n0 on.
template <typename T, typename Tile, int VECTOR, int THREADS>
struct PixelColumns {
  static constexpr int kVector = VECTOR;
  using MyShare = Share<Tile, VECTOR, THREADS>;

  const T* origin;
  Window window;
  Digits tap;    // of the thread's column
  Digits pixel;  // image, row, column
  int left;      // pixels from here on; none if the column is outside

  __device__ PixelColumns(const T* x, const Window& window, int n0, int64_t k, int64_t k_end)
      : origin(x), window(window), tap(n0 + MyShare().column, window.KW, window.C),
        pixel(k + MyShare().row, window.HO, window.WO),
        left(tap.high < window.KH ? static_cast<int>(k_end - k) - MyShare().row : 0) {}
  __device__ const T* at(int) const {
    const int h = pixel.middle * window.stride + tap.high - window.top;
    const int w = pixel.low * window.stride + tap.middle - window.left;
    const bool inside = static_cast<unsigned>(h) < static_cast<unsigned>(window.H) &&
                        static_cast<unsigned>(w) < static_cast<unsigned>(window.W) && left > 0;
    const int64_t image = int64_t{pixel.high} * (window.H * window.W * window.C);
    return inside ? origin + image + ((h * window.W + w) * window.C + tap.low) : nullptr;
  }
  __device__ void next_row() {
    pixel.advance(MyShare::kStep);
    left -= MyShare::kStep;
  }
  __device__ void next_tile() {}
};

// Writes sums of pixels (M) by channels (N), after what is to be added to them. Sums over a tile's pixels, as a
// normalisation that follows wants them, would be taken here, from `v`.
template <typename T>
struct StorePixels {
  static constexpr int kVector = kPack<T>;

  const OutputRow* rows;                    // in shared memory
  int64_t pixels;                           // of an image
  const T *bias, *channel_bias, *residual;  // (O)  (images, O)  (pixels, O); null where absent
  T* y;                                     // (pixels, O)
  int O, n0;                                // n0: the tile's first channel
  bool packed;                              // whether kVector channels can be moved at a time

  template <int N>
  __device__ __forceinline__ void put(int m, int n, const float* v) const {
    const OutputRow row = rows[m];
    const int o = n0 + n;
    if (row.image < 0 || o >= O) return;
    if (N > 1 && packed) return write<N>(row, o, v);
#pragma unroll
    for (int k = 0; k < N; ++k)
      if (o + k < O) write<1>(row, o + k, v + k);
  }

 private:
  template <int N>
  __device__ __forceinline__ void write(const OutputRow& row, int o, const float* v) const {
    const int64_t at = (row.image * pixels + row.pixel) * O + o;
    float sum[N];
#pragma unroll
    for (int k = 0; k < N; ++k) sum[k] = v[k];
    if (bias) add(sum, bias + o);
    if (channel_bias) add(sum, channel_bias + int64_t{row.image} * O + o);
    if (residual) add(sum, residual + at);
    Pack<T, N> out;
#pragma unroll
    for (int k = 0; k < N; ++k) out.v[k] = T(sum[k]);
    store_pack(y + at, out);
  }
  template <int N>
  static __device__ __forceinline__ void add(float (&sum)[N], const T* addend) {
    const Pack<T, N> values = load_pack<N>(addend);
#pragma unroll
    for (int k = 0; k < N; ++k) sum[k] += float(values.v[k]);
  }
};

// ---- which kernel ----

// About a block for each of an H200's 132 multiprocessors: with fewer, smaller tiles are faster.
inline constexpr int64_t kBlocksWanted = 128;

// Runs f.operator()<Product, VECTOR>() with the way to compute C (M, N): Make::Scalar<Tile> or Make::TensorCore<Tile>,
// by tiles of a size that keeps the GPU busy; VECTOR elements of the operands are moved at a time, 16 bytes if
// `vectors`. `split`: K is shared out until there are blocks enough.
template <typename T, typename Make, typename F>
void visit_product(Arithmetic arithmetic, int64_t M, int64_t N, bool vectors, F&& f, bool split = false) {
  constexpr int V = kPack<T>;
  const auto enough = [&](int64_t tile_m, int64_t tile_n) {
    if (split) return M >= tile_m && N >= tile_n;
    return divide_up(M, tile_m) * divide_up(N, tile_n) >= kBlocksWanted;
  };
  const bool wide = 2 * divide_up(N, 128) == divide_up(N, 64);  // tiles of 128 fit as well as those of 64
  if constexpr (dtype_of<T> == DType::f32) {
    const auto scalar = [&]<typename Tile, int VECTOR>() {
      f.template operator()<typename Make::template Scalar<Tile>, VECTOR>();
    };
    if (arithmetic == Arithmetic::scalar) {
      if (!vectors) return scalar.template operator()<TileShape<T, 64, 64, 2, 2, 1>, 1>();
      if (wide && enough(128, 128)) return scalar.template operator()<TileShape<T, 128, 128, 4, 2, 2>, V>();
      return scalar.template operator()<TileShape<T, 64, 64, 2, 2, 2>, V>();
    }
  }
  const auto tensor = [&]<typename Tile, int VECTOR>() {
    f.template operator()<typename Make::template TensorCore<Tile>, VECTOR>();
  };
  if (!vectors) return tensor.template operator()<TileShape<T, 64, 64, 2, 2, 1>, 1>();
  if (arithmetic == Arithmetic::tensor_core) return tensor.template operator()<TileShape<T, 64, 64, 2, 2, 1>, V>();
  if (N <= 32) return tensor.template operator()<TileShape<T, 128, 32, 4, 1, 3>, V>();
  if (wide && enough(128, 128)) return tensor.template operator()<TileShape<T, 128, 128, 2, 4, 3>, V>();
  if (enough(128, 64)) return tensor.template operator()<TileShape<T, 128, 64, 2, 2, 3>, V>();
  tensor.template operator()<TileShape<T, 64, 64, 2, 2, 3>, V>();
}

}  // namespace imago::kernels::IMAGO_BACKEND::conv2d
