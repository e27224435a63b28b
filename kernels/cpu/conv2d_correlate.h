// Correlation with a small kernel, the common form of the forward pass and of the gradient of the input. There are no
// padded copies and no patches: output pixels that see the same rectangle of taps inside the image are worked on
// together, as the rows of one register tile, and taps that fall into the padding are never touched.
#pragma once

#include <algorithm>

#include "kernels/cpu/conv2d_tile.h"
#include "kernels/cpu/scratch.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace conv2d {

// Elements between neighbouring images, rows and pixels.
struct PixelSteps {
  int64_t image, row, pixel;
};

// y(n, i, j, o) = sum_{r,s,c} x(n, i*stride + r - top, j*stride + s - left, c) * w(r, s, c, o) + addends for all
// (i, j) of HO x WO, with x zero outside H x W. x and y are seen through steps, so that C and O may be the channels of
// one group and HO x WO a sparse lattice of an image; top and left may be negative. w(r, s, c, o) lies at
// w[r*w_row + s*w_column + c*w_in + o*w_out]; one of w_in, w_out is 1.
template <typename T>
struct Correlation {
  const T *x, *w;
  T* y;
  const T *bias, *channel_bias, *residual;  // (O)  rows of (O)  like y; null where absent
  int64_t channel_bias_row;
  int64_t N, H, W, C, KH, KW, HO, WO, O;
  int64_t stride, top, left;
  PixelSteps x_step, y_step;
  int64_t w_row, w_column, w_in, w_out;
};

// Some images, or some output rows of one image: what a task works on at a time.
struct Band {
  int64_t n0, n1, i0, i1;
};

struct Bands {
  int64_t N, HO, images, rows;  // per band

  int64_t per_image() const { return (HO + rows - 1) / rows; }
  int64_t count() const { return (N + images - 1) / images * per_image(); }
  Band at(int64_t b) const {
    const int64_t n = b / per_image() * images, i = b % per_image() * rows;
    return {n, std::min(N, n + images), i, std::min(HO, i + rows)};
  }
};

// Neighbouring output rows (or columns) [begin, end) whose taps inside the image are [first, last).
struct Span {
  int64_t begin, end, first, last;
};

inline Span span_at(int64_t begin, int64_t limit, int64_t stride, int64_t padding, int64_t taps, int64_t extent) {
  const auto first = [=](int64_t i) { return std::clamp<int64_t>(padding - i * stride, 0, taps); };
  const auto last = [=](int64_t i) { return std::clamp<int64_t>(extent + padding - i * stride, first(i), taps); };
  Span s{begin, begin + 1, first(begin), last(begin)};
  while (s.end < limit && first(s.end) == s.first && last(s.end) == s.last) ++s.end;
  return s;
}

// The taps that all pixels of a tile see: rows of `segments` runs of contiguous elements of x.
struct Taps {
  int64_t rows, row_step, segments, segment_step, run;
  int64_t first, row_taps;  // in units of w's (tap, channel) pairs: the first one, and those between two rows
};

template <typename T, int P>
struct Pixels {
  const T* x[P];       // where each pixel's taps start; behind `count` the last pixel is repeated
  int64_t y[P], n[P];  // its offset in y, its image
  int count;
};

// Calls f(pixels, taps) until every output pixel of the band has had its turn.
template <int P, typename T, typename F>
inline void for_each_tile(const Correlation<T>& p, const Band& band, F f) {
  const bool dense = p.x_step.pixel == p.C;
  for (int64_t i0 = band.i0; i0 < band.i1;) {
    const Span rows = span_at(i0, band.i1, p.stride, p.top, p.KH, p.H);
    i0 = rows.end;
    for (int64_t j0 = 0; j0 < p.WO;) {
      const Span columns = span_at(j0, p.WO, p.stride, p.left, p.KW, p.W);
      j0 = columns.end;
      const int64_t taps = columns.last - columns.first;
      const Taps t{
          .rows = rows.last - rows.first, .row_step = p.x_step.row,
          .segments = dense ? 1 : taps, .segment_step = p.x_step.pixel, .run = dense ? taps * p.C : p.C,
          .first = (rows.first * p.KW + columns.first) * p.C, .row_taps = p.KW * p.C,
      };
      int64_t n = band.n0, i = rows.begin, j = columns.begin;
      const T* x = nullptr;  // where the taps of pixel (n, i, j) start, and
      int64_t y = 0;         // its offset in y
      const auto start_row = [&] {
        x = p.x + n * p.x_step.image + (i * p.stride - p.top + rows.first) * p.x_step.row +
            (columns.begin * p.stride - p.left + columns.first) * p.x_step.pixel;
        y = n * p.y_step.image + i * p.y_step.row + columns.begin * p.y_step.pixel;
      };
      start_row();
      Pixels<T, P> pixels;
      while (n < band.n1) {
        pixels.count = 0;
        for (int q = 0; q < P; ++q) {
          pixels.x[q] = x;
          pixels.y[q] = y;
          pixels.n[q] = n;
          if (n == band.n1) continue;
          ++pixels.count;
          if (++j < columns.end) {
            x += p.stride * p.x_step.pixel;
            y += p.y_step.pixel;
            continue;
          }
          j = columns.begin;
          if (++i == rows.end) i = rows.begin, ++n;
          if (n < band.n1) start_row();
        }
        f(pixels, t);
      }
    }
  }
}

// Output channels [o0, o0 + channels) of V vectors of lanes, and their weights as (KH*KW*C, V*lanes), zeros behind.
template <typename T>
struct Panel {
  const T* w;
  int64_t o0, channels;
};

template <typename T>
inline void pack_panel(const Correlation<T>& p, int64_t o0, int64_t channels, int64_t width, T* out) {
  for (int64_t r = 0; r < p.KH; ++r)
    for (int64_t s = 0; s < p.KW; ++s) {
      const T* w = p.w + r * p.w_row + s * p.w_column + o0 * p.w_out;
      T* rows = out + (r * p.KW + s) * p.C * width;  // (C, width)
      if (channels < width) std::fill(rows, rows + p.C * width, T(0));
      if (p.w_out == 1) {
        for (int64_t c = 0; c < p.C; ++c) std::copy(w + c * p.w_in, w + c * p.w_in + channels, rows + c * width);
      } else {
        for (int64_t o = 0; o < channels; ++o)
          for (int64_t c = 0; c < p.C; ++c) rows[c * width + o] = w[c * p.w_in + o * p.w_out];
      }
    }
}

// One panel of output channels for all pixels of a band: a tile has P pixels and V vectors of channels.
template <int V, typename T>
void correlate_band(const Correlation<T>& p, const Band& band, const Panel<T>& panel) {
  constexpr int P = kRows<V>, L = kLanes<T>;
  for_each_tile<P>(p, band, [&](const Pixels<T, P>& pixels, const Taps& t) {
    Vec<T> sums[P][V] = {};
    const T* a[P];
    for (int q = 0; q < P; ++q) a[q] = pixels.x[q];
    for (int64_t r = 0; r < t.rows; ++r) {
      const T* w = panel.w + (t.first + r * t.row_taps) * (V * L);
      for (int64_t s = 0; s < t.segments; ++s, w += t.run * V * L)
        multiply_rows(sums, a, r * t.row_step + s * t.segment_step, t.run, w);
    }
#pragma GCC unroll 8
    for (int q = 0; q < P; ++q) {
      if (q >= pixels.count) break;
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        const int64_t o = panel.o0 + v * L, at = pixels.y[q] + o, lanes = panel.channels - v * L;
        Vec<T> sum = sums[q][v];
        if (lanes >= L) {
          if (p.bias) sum += load(p.bias + o);
          if (p.channel_bias) sum += load(p.channel_bias + pixels.n[q] * p.channel_bias_row + o);
          if (p.residual) sum += load(p.residual + at);
          store(p.y + at, sum);
        } else if (lanes > 0) {
          if (p.bias) sum += load_part(p.bias + o, lanes);
          if (p.channel_bias) sum += load_part(p.channel_bias + pixels.n[q] * p.channel_bias_row + o, lanes);
          if (p.residual) sum += load_part(p.residual + at, lanes);
          store_part(p.y + at, sum, lanes);
        }
      }
    }
  });
}

// Q output channels, too few to fill a vector: the vectors run along the taps' input channels instead and are summed up
// at the end. panel.w is (Q, KH*KW*C).
template <int Q, typename T>
void correlate_band_thin(const Correlation<T>& p, const Band& band, const Panel<T>& panel) {
  constexpr int P = Q == 1 ? 8 : Q == 2 ? 6 : 4, L = kLanes<T>;
  const int64_t K = p.KH * p.KW * p.C;
  for_each_tile<P>(p, band, [&](const Pixels<T, P>& pixels, const Taps& t) {
    Vec<T> sums[P][Q] = {};
    T tails[P][Q] = {};
    const T* a[P];
    for (int q = 0; q < P; ++q) a[q] = pixels.x[q];
    const int64_t even = t.run / L * L;
    for (int64_t r = 0; r < t.rows; ++r) {
      const T* w = panel.w + t.first + r * t.row_taps;
      for (int64_t s = 0; s < t.segments; ++s, w += t.run) {
        const int64_t offset = r * t.row_step + s * t.segment_step;
        multiply_dots(sums, a, offset, even, w, K);
        for (int64_t k = even; k < t.run; ++k)
          for (int i = 0; i < P; ++i)
            for (int q = 0; q < Q; ++q) tails[i][q] += a[i][offset + k] * w[q * K + k];
      }
    }
    for (int i = 0; i < pixels.count; ++i)
      for (int q = 0; q < Q; ++q) {
        const int64_t o = panel.o0 + q, at = pixels.y[i] + o;
        T sum = lane_sum<T>(sums[i][q]) + tails[i][q];
        if (p.bias) sum += p.bias[o];
        if (p.channel_bias) sum += p.channel_bias[pixels.n[i] * p.channel_bias_row + o];
        if (p.residual) sum += p.residual[at];
        p.y[at] = sum;
      }
  });
}

// How the output channels are cut into panels, and the pixels into bands.
template <typename T>
struct Plan {
  bool thin;      // vectors along input channels
  bool heavy;     // more weights than pixels: each task has its own panel and packs it itself
  int64_t width;  // output channels of a panel
  Bands bands;

  explicit Plan(const Correlation<T>& p) {
    constexpr int64_t L = kLanes<T>;
    thin = p.O <= L / 2 && p.C >= L;
    width = thin ? 3 : kMaxVectors * L;
    const int64_t weights = p.KH * p.KW * p.C * p.O, image = std::max<int64_t>(1, p.H * p.W * p.C);
    heavy = !thin && weights > (1 << 18) && weights > p.N * image / 2;
    // A band's pixels stay in the L2 cache while the panels pass by.
    const int64_t budget = (256 << 10) / static_cast<int64_t>(sizeof(T));
    const int64_t tasks = heavy ? 1 : 4 * thread_count();
    int64_t images = std::clamp<int64_t>(std::min(budget / image, p.N / tasks), 1, p.N);
    if (images > 6) images -= images % 6;  // whole tiles where a tile's pixels come from different images
    bands = {p.N, p.HO, images, p.HO};
    if (images == 1) {
      const int64_t parts = std::max((image + budget - 1) / budget, (tasks + p.N - 1) / p.N);
      bands.rows = std::max<int64_t>(std::min<int64_t>(4, p.HO), (p.HO + parts - 1) / parts);
    }
  }

  int64_t panels(int64_t O) const { return (O + width - 1) / width; }
};

template <typename T>
void correlate(const Correlation<T>& p) {
  const Plan<T> plan(p);
  const int64_t K = p.KH * p.KW * p.C, panels = plan.panels(p.O), panel_size = K * plan.width;
  const auto channels_of = [&](int64_t q) { return std::min(plan.width, p.O - q * plan.width); };
  const auto pack = [&](int64_t q, T* w) {
    const int64_t o0 = q * plan.width, channels = channels_of(q);
    if (plan.thin) {
      for (int64_t o = 0; o < channels; ++o) pack_panel(p, o0 + o, 1, 1, w + o * K);
    } else {
      pack_panel(p, o0, channels, (channels + kLanes<T> - 1) / kLanes<T> * kLanes<T>, w);
    }
  };
  const auto run = [&](const Band& band, int64_t q, const T* w) {
    const Panel<T> panel{.w = w, .o0 = q * plan.width, .channels = channels_of(q)};
    if (plan.thin) {
      with_constant<3>(panel.channels, [&]<int Q>() { correlate_band_thin<Q>(p, band, panel); });
    } else {
      const int64_t vectors = (panel.channels + kLanes<T> - 1) / kLanes<T>;
      with_constant<kMaxVectors>(vectors, [&]<int V>() { correlate_band<V>(p, band, panel); });
    }
  };

  if (plan.heavy) {
    parallel_for(panels, [&](int64_t q) {
      const Scratch<T> w(panel_size);
      pack(q, w.get());
      for (int64_t b = 0; b < plan.bands.count(); ++b) run(plan.bands.at(b), q, w.get());
    });
    return;
  }
  const Scratch<T> w(panels * panel_size);
  parallel_for(panels, [&](int64_t q) { pack(q, w.get() + q * panel_size); });
  parallel_for(plan.bands.count(), [&](int64_t b) {
    for (int64_t q = 0; q < panels; ++q) run(plan.bands.at(b), q, w.get() + q * panel_size);
  });
}

}  // namespace conv2d
}  // namespace imago::kernels::IMAGO_BACKEND
