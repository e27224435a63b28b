// Convolution forward, its gradient with respect to the input, and the sums for the biases. The first two are one
// correlation each, or, behind a stride, one per phase.
#include "kernels/conv2d.h"

#include "kernels/cpu/conv2d_correlate.h"
#include "kernels/cpu/conv2d_depthwise.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace conv2d {
namespace {

template <typename T>
void forward(const Conv2dForward& p) {
  const Conv2dShape& s = p.shape;
  if (is_depthwise(s)) return depthwise_forward<T>(p);
  const int64_t C = s.C / s.groups, O = s.O / s.groups;
  for (int64_t g = 0; g < s.groups; ++g) {
    const auto from = [&](const void* values) { return values ? static_cast<const T*>(values) + g * O : nullptr; };
    correlate<T>({
        .x = static_cast<const T*>(p.x) + g * C,
        .w = static_cast<const T*>(p.weight) + g * O * s.KH * s.KW * C,
        .y = static_cast<T*>(p.y) + g * O,
        .bias = from(p.bias), .channel_bias = from(p.channel_bias), .residual = from(p.residual),
        .channel_bias_row = s.O,
        .N = s.N, .H = s.H, .W = s.W, .C = C, .KH = s.KH, .KW = s.KW, .HO = s.HO, .WO = s.WO, .O = O,
        .stride = s.stride, .top = s.top, .left = s.left,
        .x_step = {s.H * s.W * s.C, s.W * s.C, s.C}, .y_step = {s.HO * s.WO * s.O, s.WO * s.O, s.O},
        .w_row = s.KW * C, .w_column = C, .w_in = 1, .w_out = s.KH * s.KW * C,
    });
  }
}

// Input rows (or columns) i with (i + padding) % stride == phase: they see the taps phase, phase + stride, ... . With
// i = start + stride*u and tap = phase + stride*(taps-1-t), t in [0, taps), their output row is u + t - shift.
struct Phase {
  int64_t start, count, taps, shift;

  Phase(int64_t phase, int64_t stride, int64_t padding, int64_t kernel, int64_t extent) {
    start = ((phase - padding) % stride + stride) % stride;
    count = start < extent ? (extent - start - 1) / stride + 1 : 0;
    taps = phase < kernel ? (kernel - phase - 1) / stride + 1 : 0;
    shift = taps - 1 - (start + padding) / stride;
  }
};

template <typename T>
void backward_input(const Conv2dBackwardInput& p) {
  const Conv2dShape& s = p.shape;
  if (is_depthwise(s)) return depthwise_backward_input<T>(p);
  const int64_t C = s.C / s.groups, O = s.O / s.groups;
  const int64_t w_row = s.KW * C, w_out = s.KH * w_row;  // steps of weight (O, KH, KW, C/groups)
  for (int64_t g = 0; g < s.groups; ++g)
    for (int64_t a = 0; a < s.stride; ++a)
      for (int64_t b = 0; b < s.stride; ++b) {
        const Phase rows(a, s.stride, s.top, s.KH, s.H), columns(b, s.stride, s.left, s.KW, s.W);
        if (!rows.count || !columns.count) continue;
        const int64_t last_row = a + s.stride * (rows.taps - 1), last_column = b + s.stride * (columns.taps - 1);
        correlate<T>({
            .x = static_cast<const T*>(p.dy) + g * O,
            .w = static_cast<const T*>(p.weight) + g * O * w_out + last_row * w_row + last_column * C,
            .y = static_cast<T*>(p.dx) + g * C + (rows.start * s.W + columns.start) * s.C,
            .bias = nullptr, .channel_bias = nullptr, .residual = nullptr, .channel_bias_row = 0,
            .N = s.N, .H = s.HO, .W = s.WO, .C = O, .KH = rows.taps, .KW = columns.taps,
            .HO = rows.count, .WO = columns.count, .O = C,
            .stride = 1, .top = rows.shift, .left = columns.shift,
            .x_step = {s.HO * s.WO * s.O, s.WO * s.O, s.O},
            .y_step = {s.H * s.W * s.C, s.stride * s.W * s.C, s.stride * s.C},
            .w_row = -s.stride * w_row, .w_column = -s.stride * C, .w_in = w_out, .w_out = 1,
        });
      }
}

// One pass over dy: sums per image first (in T over a run of positions, then in double), then over the images.
template <typename T>
void backward_bias(const Conv2dBackwardBias& p) {
  constexpr int64_t kRun = 64;
  const int64_t N = p.N, S = p.S, O = p.O;
  const Scratch<double> buffer(N * O);
  double* sums = buffer.get();  // (N, O)
  parallel_for(N, [=](int64_t n) {
    const T* dy = static_cast<const T*>(p.dy) + n * S * O;  // (S, O)
    const Scratch<T> partial_buffer(O);
    T* partial = partial_buffer.get();  // (O)
    std::fill(sums + n * O, sums + (n + 1) * O, 0.0);
    for (int64_t s0 = 0; s0 < S; s0 += kRun) {
      std::fill(partial, partial + O, T(0));
      for (int64_t s = s0, end = std::min(S, s0 + kRun); s < end; ++s)
        for (int64_t o = 0; o < O; ++o) partial[o] += dy[s * O + o];
      for (int64_t o = 0; o < O; ++o) sums[n * O + o] += partial[o];
    }
  });
  if (T* dchannel_bias = static_cast<T*>(p.dchannel_bias))
    for (int64_t i = 0; i < N * O; ++i) dchannel_bias[i] = static_cast<T>(sums[i]);
  if (T* dbias = static_cast<T*>(p.dbias)) {
    for (int64_t n = 1; n < N; ++n)
      for (int64_t o = 0; o < O; ++o) sums[o] += sums[n * O + o];
    for (int64_t o = 0; o < O; ++o) dbias[o] = static_cast<T>(sums[o]);
  }
}

}  // namespace
}  // namespace conv2d

void conv2d_forward(const Conv2dForward& p, Stream) {
  visit<float, double>(p.dtype, "conv2d", [&]<typename T>() { conv2d::forward<T>(p); });
}

void conv2d_backward_input(const Conv2dBackwardInput& p, Stream) {
  visit<float, double>(p.dtype, "conv2d_backward_input", [&]<typename T>() { conv2d::backward_input<T>(p); });
}

void conv2d_backward_bias(const Conv2dBackwardBias& p, Stream) {
  visit<float, double>(p.dtype, "conv2d_backward_bias", [&]<typename T>() { conv2d::backward_bias<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
