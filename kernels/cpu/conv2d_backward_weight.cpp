// Gradient of the weights,
//   dw(o, r, s, c) = sum_{n,i,j} dy(n, i, j, o) * x(n, i*stride + r - top, j*stride + s - left, c).
// A register tile holds P of one index times V vectors of another and walks over output pixels. The images are cut into
// a number of parts that depends on the shape alone; each part sums into its own copy, and the copies are added up in
// order, so the result does not depend on the number of threads.
#include <algorithm>

#include "kernels/cpu/conv2d_correlate.h"
#include "kernels/cpu/conv2d_depthwise.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace conv2d {
namespace {

constexpr int kMaxRows = 6;
template <int P>
constexpr int kTileVectors = P <= 2 && kMaxVectors < 4 ? 4 : kMaxVectors;  // few rows leave room for more vectors

// The next tile's rows when `left` are left: sixes, and fours where they come out better.
int64_t tile_rows(int64_t left) { return left == 6 || left >= 10 ? 6 : left <= 5 ? left : 4; }

// Output pixels: the outer loop's steps in a and b for images and rows, and the inner one's for columns.
struct Walk {
  int64_t images, rows, columns;
  PixelSteps a, b;
};

// out[p][v] += sum over all pixels of a[p] * b[v].
template <int P, int V, typename T>
void outer_tile(const T* a, const T* b, const Walk& w, T* out, int64_t out_row) {
  Vec<T> sums[P][V] = {};
  for (int64_t n = 0; n < w.images; ++n)
    for (int64_t i = 0; i < w.rows; ++i)
      multiply_outer(sums, a + n * w.a.image + i * w.a.row, w.a.pixel, b + n * w.b.image + i * w.b.row, w.b.pixel,
                     w.columns);
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      T* at = out + p * out_row + v * kLanes<T>;
      store(at, load(at) + sums[p][v]);
    }
}

// out (rows, columns) += the same, for any number of rows and a multiple of the lanes of columns.
template <typename T>
void outer_product(int64_t rows, int64_t columns, const T* a, const T* b, const Walk& w, T* out, int64_t out_row) {
  for (int64_t r = 0; r < rows;) {
    const int64_t height = tile_rows(rows - r);
    with_constant<kMaxRows>(height, [&]<int P>() {
      for (int64_t c = 0; c < columns;) {
        const int64_t vectors = std::min<int64_t>(kTileVectors<P>, (columns - c) / kLanes<T>);
        with_constant<kTileVectors<P>>(vectors, [&]<int V>() {
          outer_tile<P, V>(a + r, b + c, w, out + r * out_row + c, out_row);
        });
        c += vectors * kLanes<T>;
      }
    });
    r += height;
  }
}

// An operand as the tiles want to see it: `origin` is what belongs to pixel (0, 0) of the band's first image.
template <typename T>
struct View {
  const T* origin;
  PixelSteps step;
};

// Copies `channels` of the pixels [h0, h1) x [w0, w1) of images [n0, n1), zeros outside H x W and behind the channels,
// up to `wide` of them. The result's origin is pixel (0, 0), wherever that is.
template <typename T>
View<T> padded_copy(const View<T>& x, int64_t n0, int64_t n1, int64_t H, int64_t W, int64_t h0, int64_t h1, int64_t w0,
                    int64_t w1, int64_t channels, int64_t wide, T* out) {
  const View<T> copy{out - (h0 * (w1 - w0) + w0) * wide, {(h1 - h0) * (w1 - w0) * wide, (w1 - w0) * wide, wide}};
  for (int64_t n = n0; n < n1; ++n)
    for (int64_t h = h0; h < h1; ++h)
      for (int64_t w = w0; w < w1; ++w, out += wide) {
        const bool inside = h >= 0 && h < H && w >= 0 && w < W;
        const int64_t copied = inside ? channels : 0;
        const T* pixel = x.origin + n * x.step.image + h * x.step.row + w * x.step.pixel;
        for (int64_t c = 0; c < copied; ++c) out[c] = pixel[c];
        std::fill(out + copied, out + wide, T(0));
      }
  return copy;
}

// One group's share of the problem. Tiles have rows along o and vectors along c, or, where there are too few input
// channels for that, rows along the taps (s, c) of a kernel row and vectors along o.
template <typename T>
struct WeightGradient {
  Conv2dShape s;  // with C and O of one group
  View<T> x, dy;
  bool along_taps;
  int64_t wide_C, wide_O;  // channels as the tiles see them
  Bands bands;
  int64_t parts, slices;  // of the bands, of the o's

  WeightGradient(const Conv2dShape& shape, const T* x_data, const T* dy_data) : s(shape) {
    constexpr int64_t L = kLanes<T>;
    x = {x_data, {s.H * s.W * s.C, s.W * s.C, s.C}};
    dy = {dy_data, {s.HO * s.WO * s.O, s.WO * s.O, s.O}};
    s.C /= s.groups;
    s.O /= s.groups;
    const auto round_up = [](int64_t n) { return (n + L - 1) / L * L; };
    along_taps = s.C < L;
    wide_C = along_taps ? s.C : round_up(s.C);
    wide_O = along_taps ? round_up(s.O) : s.O;

    // Bands of about the size of the L1 cache, but not so short that loading and storing the sums would show, nor so
    // long that a sum in T would lose digits.
    const int64_t row = s.W * s.C * s.stride + s.WO * s.O, budget = (48 << 10) / static_cast<int64_t>(sizeof(T));
    const int64_t rows = std::clamp(budget / row, (64 + s.WO - 1) / s.WO, (256 + s.WO - 1) / s.WO);
    bands = {s.N, s.HO, std::clamp<int64_t>(rows / s.HO, 1, s.N), std::min(rows, s.HO)};
    parts = std::clamp<int64_t>((1 << 20) / size(), 1, std::min<int64_t>(16, bands.count()));
    slices = along_taps ? 1 : std::clamp<int64_t>(32 / parts, 1, (s.O + 11) / 12);
  }

  int64_t size() const { return s.KH * s.KW * wide_C * wide_O; }

  // Adds the band's share for the output channels [o0, o1) to out: (O, KH, KW, wide_C).
  void add_band(const Band& band, int64_t o0, int64_t o1, T* out) const {
    View<T> xs = x;
    const int64_t h0 = std::max<int64_t>(0, band.i0 * s.stride - s.top);
    const int64_t h1 = std::max(h0, std::min(s.H, (band.i1 - 1) * s.stride - s.top + s.KH));
    const int64_t images = band.n1 - band.n0;
    const Scratch<T> copy(wide_C == s.C ? 0 : images * (h1 - h0) * s.W * wide_C);
    if (copy.get()) xs = padded_copy(x, band.n0, band.n1, s.H, s.W, h0, h1, 0, s.W, s.C, wide_C, copy.get());
    else xs.origin += band.n0 * x.step.image;
    for (int64_t r = 0; r < s.KH; ++r)
      for (int64_t t = 0; t < s.KW; ++t) {
        // The pixels that see this tap inside the image.
        const auto first = [&](int64_t tap, int64_t padding) {
          return std::max<int64_t>(0, (padding - tap + s.stride - 1) / s.stride);
        };
        const auto last = [&](int64_t tap, int64_t padding, int64_t extent) {
          return extent + padding - tap <= 0 ? 0 : (extent + padding - tap - 1) / s.stride + 1;
        };
        const int64_t i0 = std::max(band.i0, first(r, s.top)), i1 = std::min(band.i1, last(r, s.top, s.H));
        const int64_t j0 = first(t, s.left), j1 = std::min(s.WO, last(t, s.left, s.W));
        if (i0 >= i1 || j0 >= j1) continue;
        const Walk walk{images, i1 - i0, j1 - j0, dy.step,
                        {xs.step.image, s.stride * xs.step.row, s.stride * xs.step.pixel}};
        const T* a = dy.origin + band.n0 * dy.step.image + i0 * dy.step.row + j0 * dy.step.pixel + o0;
        const T* b = xs.origin + (i0 * s.stride + r - s.top) * xs.step.row +
                     (j0 * s.stride + t - s.left) * xs.step.pixel;
        const int64_t out_row = s.KH * s.KW * wide_C;
        outer_product(o1 - o0, wide_C, a, b, walk, out + o0 * out_row + (r * s.KW + t) * wide_C, out_row);
      }
  }

  // Adds the band's share to out: (KH, KW, C, wide_O). Thin inputs are cheap to copy, with their padding.
  void add_band_along_taps(const Band& band, T* out) const {
    const int64_t images = band.n1 - band.n0;
    const int64_t h0 = band.i0 * s.stride - s.top, h1 = (band.i1 - 1) * s.stride - s.top + s.KH;
    const int64_t w0 = -s.left, w1 = (s.WO - 1) * s.stride - s.left + s.KW;
    const Scratch<T> x_copy(images * (h1 - h0) * (w1 - w0) * s.C);
    const View<T> xs = padded_copy(x, band.n0, band.n1, s.H, s.W, h0, h1, w0, w1, s.C, s.C, x_copy.get());
    View<T> g = dy;
    const Scratch<T> dy_copy(wide_O == s.O ? 0 : images * (band.i1 - band.i0) * s.WO * wide_O);
    if (dy_copy.get()) {
      g = padded_copy(dy, band.n0, band.n1, s.HO, s.WO, band.i0, band.i1, 0, s.WO, s.O, wide_O, dy_copy.get());
    } else {
      g.origin += band.n0 * dy.step.image;
    }
    const Walk walk{images, band.i1 - band.i0, s.WO,
                    {xs.step.image, s.stride * xs.step.row, s.stride * xs.step.pixel}, g.step};
    for (int64_t r = 0; r < s.KH; ++r)
      outer_product(s.KW * s.C, wide_O, xs.origin + (h0 + r) * xs.step.row + w0 * xs.step.pixel,
                    g.origin + band.i0 * g.step.row, walk, out + r * s.KW * s.C * wide_O, wide_O);
  }

  void run(T* dweight) const {
    const Scratch<T> buffer(parts * size());
    T* partial = buffer.get();  // (parts, O, KH, KW, wide_C) or (parts, KH, KW, C, wide_O)
    const int64_t count = bands.count();
    parallel_for(parts * slices, [&](int64_t task) {
      const int64_t part = task / slices, slice = task % slices;
      const int64_t o0 = s.O * slice / slices, o1 = s.O * (slice + 1) / slices, row = size() / wide_O;
      T* out = partial + part * size();
      if (along_taps) std::fill(out, out + size(), T(0));
      else std::fill(out + o0 * row, out + o1 * row, T(0));
      for (int64_t b = count * part / parts; b < count * (part + 1) / parts; ++b) {
        if (along_taps) add_band_along_taps(bands.at(b), out);
        else add_band(bands.at(b), o0, o1, out);
      }
    });
    add_parts(partial, dweight);
  }

  // dweight (O, KH, KW, C) = the sum of all parts, in double.
  void add_parts(const T* partial, T* dweight) const {
    constexpr int64_t kBlock = 64;
    const int64_t taps = s.KH * s.KW;
    parallel_chunks(s.O, std::max<int64_t>(1, 4096 / (taps * s.C)), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin * taps; row < end * taps; ++row)  // (o, tap)
        for (int64_t c0 = 0; c0 < s.C; c0 += kBlock) {
          const int64_t channels = std::min(kBlock, s.C - c0);
          const int64_t step = along_taps ? wide_O : 1;
          const T* from =
              partial + (along_taps ? (row % taps * s.C + c0) * wide_O + row / taps : row * wide_C + c0);
          double sums[kBlock] = {};
          for (int64_t part = 0; part < parts; ++part, from += size())
            for (int64_t c = 0; c < channels; ++c) sums[c] += from[c * step];
          for (int64_t c = 0; c < channels; ++c) dweight[row * s.C + c0 + c] = static_cast<T>(sums[c]);
        }
    });
  }
};

template <typename T>
void backward_weight(const Conv2dBackwardWeight& p) {
  const Conv2dShape& s = p.shape;
  if (is_depthwise(s)) return depthwise_backward_weight<T>(p);
  const int64_t C = s.C / s.groups, O = s.O / s.groups;
  for (int64_t g = 0; g < s.groups; ++g) {
    const WeightGradient<T> gradient(s, static_cast<const T*>(p.x) + g * C, static_cast<const T*>(p.dy) + g * O);
    gradient.run(static_cast<T*>(p.dweight) + g * O * s.KH * s.KW * C);
  }
}

}  // namespace
}  // namespace conv2d

void conv2d_backward_weight(const Conv2dBackwardWeight& p, Stream) {
  visit<float, double>(p.dtype, "conv2d_backward_weight", [&]<typename T>() { conv2d::backward_weight<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
