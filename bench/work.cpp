#include "bench/work.h"

#include "core/check.h"
#include "kernels/adamw.h"
#include "kernels/add_noise.h"
#include "kernels/attention.h"
#include "kernels/axpy.h"
#include "kernels/batch_rows.h"
#include "kernels/binary.h"
#include "kernels/concat.h"
#include "kernels/conv2d.h"
#include "kernels/non_finite.h"
#include "kernels/denoise_step.h"
#include "kernels/dropout.h"
#include "kernels/ema.h"
#include "kernels/embedding.h"
#include "kernels/fill_random.h"
#include "kernels/finish_step.h"
#include "kernels/group_norm.h"
#include "kernels/layer_norm.h"
#include "kernels/loss.h"
#include "kernels/matmul.h"
#include "kernels/next_timestep.h"
#include "kernels/non_finite.h"
#include "kernels/noisy_images.h"
#include "kernels/pad.h"
#include "kernels/permute.h"
#include "kernels/pool2d.h"
#include "kernels/scale.h"
#include "kernels/sgd.h"
#include "kernels/softmax.h"
#include "kernels/sum.h"
#include "kernels/sum_rows.h"
#include "kernels/sum_squares.h"
#include "kernels/timestep_embedding.h"
#include "kernels/unary.h"
#include "kernels/upsample_nearest.h"

namespace imago::bench {
namespace {

using namespace kernels;

double real(int64_t n) { return static_cast<double>(n); }

// `elements` moved, none of them multiplied with a matrix.
Work streaming(double elements, DType dtype, std::string shape) {
  return {.flops = 0,
          .bytes = elements * real(size_of(dtype)),
          .dtype = dtype,
          .shape = std::move(shape)};
}
Work streaming(double elements, DType dtype, int64_t n) {
  return streaming(elements, dtype, concat(n));
}

// ---- convolution and matrix products ----

struct ConvElements {
  double x, weight, y, products;
};
ConvElements elements_of(const Conv2dShape& s) {
  const int64_t per_output = s.KH * s.KW * (s.C / s.groups);
  const int64_t y = s.N * s.HO * s.WO * s.O;
  return {real(s.N * s.H * s.W * s.C), real(s.O * per_output), real(y), real(y) * real(per_output)};
}

std::string name_of(const Conv2dShape& s) {
  return concat(s.H, "x", s.W, " ", s.KH, "x", s.KW, " ", s.C, ">", s.O,
                s.stride > 1 ? concat(" /", s.stride) : "",
                s.groups > 1 ? concat(" g", s.groups) : "", " b", s.N);
}

Work convolution(const Conv2dShape& s, DType dtype, double addends = 0) {
  const ConvElements e = elements_of(s);
  return {.flops = 2 * e.products,
          .bytes = (e.x + e.weight + e.y + addends) * real(size_of(dtype)),
          .dtype = dtype,
          .shape = name_of(s)};
}

// Each of `products` matrix products takes a multiplication and an addition for every query, key
// and channel.
Work attention(int64_t N, int64_t T, int64_t S, int64_t C, int64_t heads, DType dtype, int products,
               double elements) {
  return {.flops = 2.0 * products * real(N * T) * real(S * C),
          .bytes = elements * real(size_of(dtype)) +
                   4 * real(N * heads * T),  // and the sums of exponentials
          .dtype = dtype,
          .shape = concat(T, "x", S, " c", C, " h", heads, " b", N)};
}

}  // namespace

Work work_of(const Conv2dForward& p) {
  const double y = elements_of(p.shape).y;
  return convolution(p.shape, p.dtype,
                     (p.bias ? real(p.shape.O) : 0) +
                         (p.channel_bias ? real(p.shape.N * p.shape.O) : 0) + (p.residual ? y : 0));
}
Work work_of(const Conv2dBackwardInput& p) { return convolution(p.shape, p.dtype); }
Work work_of(const Conv2dBackwardWeight& p) { return convolution(p.shape, p.dtype); }
Work work_of(const Conv2dBackwardBias& p) {
  return streaming(real(p.N * p.S * p.O), p.dtype, p.N * p.S * p.O);
}

Work work_of(const Matmul& p) {
  const auto count = [&](int64_t step) { return real(step ? p.batch : 1); };
  const double a = count(p.a_step) * real(p.M * p.K), b = count(p.b_step) * real(p.K * p.N);
  const double c = count(p.c_step) * real(p.M * p.N), bias = p.bias ? real(p.N) : 0;
  return {.flops = 2 * real(p.batch) * real(p.M) * real(p.N) * real(p.K),
          .bytes = (a + b + c + bias) * real(size_of(p.dtype)),
          .dtype = p.dtype,
          .shape = concat(p.M, "x", p.N, "x", p.K, p.batch > 1 ? concat(" b", p.batch) : "")};
}

Work work_of(const AttentionForward& p) {
  return attention(p.N, p.T, p.S, p.C, p.heads, p.dtype, 2, 2 * real(p.N * p.C) * real(p.T + p.S));
}
// q k^T once more, then dy v^T, dv, dq and dk.
Work work_of(const AttentionBackward& p) {
  return attention(p.N, p.T, p.S, p.C, p.heads, p.dtype, 5,
                   real(p.N * p.C) * real(3 * p.T + 4 * p.S));
}

Work work_of(const SumRows& p) {
  return streaming(real(p.M * p.C + p.C), p.dtype, concat(p.M, "x", p.C));
}
Work work_of(const SoftmaxForward& p) {
  return streaming(2 * real(p.M * p.C), p.dtype, concat(p.M, "x", p.C));
}
Work work_of(const SoftmaxBackward& p) {
  return streaming(3 * real(p.M * p.C), p.dtype, concat(p.M, "x", p.C));
}
Work work_of(const EmbeddingForward& p) {
  return streaming(2 * real(p.M * p.C), p.dtype, concat(p.M, "x", p.C));
}
Work work_of(const EmbeddingBackward& p) {
  return streaming(2 * real(p.M * p.C), p.dtype, concat(p.M, "x", p.C));
}

// ---- normalisation ----

Work work_of(const GroupNormForward& p) {
  return streaming(2 * real(p.N * p.S * p.C), p.dtype, concat(p.S, "x", p.C, " g", p.G, " b", p.N));
}
Work work_of(const GroupNormBackward& p) {
  return streaming((p.dx ? 3 : 2) * real(p.N * p.S * p.C), p.dtype,
                   concat(p.S, "x", p.C, " g", p.G, " b", p.N));
}
Work work_of(const LayerNormForward& p) {
  return streaming(2 * real(p.M * p.C), p.dtype, concat(p.M, "x", p.C));
}
Work work_of(const LayerNormBackward& p) {
  return streaming((p.dx ? 3 : 2) * real(p.M * p.C), p.dtype, concat(p.M, "x", p.C));
}

// ---- element by element, reductions, losses ----

Work work_of(const Axpy& p) { return streaming(3 * real(p.n), p.dtype, p.n); }
Work work_of(const UnaryForward& p) { return streaming(2 * real(p.n), p.dtype, p.n); }
Work work_of(const UnaryBackward& p) { return streaming(3 * real(p.n), p.dtype, p.n); }
Work work_of(const BinaryForward& p) {
  double a = 1, b = 1, y = 1;
  for (int i = 0; i < p.rank; ++i) {
    y *= real(p.extent[i]);
    if (p.a_stride[i]) a *= real(p.extent[i]);
    if (p.b_stride[i]) b *= real(p.extent[i]);
  }
  return streaming(a + b + y, p.dtype, static_cast<int64_t>(y));
}
Work work_of(const Scale& p) { return streaming(2 * real(p.n), p.dtype, p.n); }
Work work_of(const Dropout& p) { return streaming(2 * real(p.n), p.dtype, p.n); }
Work work_of(const SumForward& p) {
  return streaming(real(p.A * p.C) * real(p.R + 1), p.dtype, concat(p.A, "x", p.R, "x", p.C));
}
Work work_of(const SumBackward& p) {
  return streaming(real(p.A * p.C) * real(p.R + 1), p.dtype, concat(p.A, "x", p.R, "x", p.C));
}
Work work_of(const LossForward& p) { return streaming(2 * real(p.N * p.M), p.dtype, p.N * p.M); }
Work work_of(const LossBackward& p) { return streaming(3 * real(p.N * p.M), p.dtype, p.N * p.M); }
Work work_of(const LossWithGradient& p) {
  return streaming(3 * real(p.N * p.M), p.dtype, p.N * p.M);
}

// ---- images and arrangement ----

Work work_of(const UpsampleNearestForward& p) {
  return streaming(5 * real(p.N * p.H * p.W * p.C), p.dtype, 4 * p.N * p.H * p.W * p.C);
}
Work work_of(const UpsampleNearestBackward& p) {
  return streaming(5 * real(p.N * p.H * p.W * p.C), p.dtype, 4 * p.N * p.H * p.W * p.C);
}

namespace {

// The large side once, the small side `small` times.
Work pooling(const Pool2dShape& s, DType dtype, double small = 1) {
  return streaming(real(s.N * s.H * s.W * s.C) + small * real(s.N * s.HO * s.WO * s.C), dtype,
                   s.N * s.H * s.W * s.C);
}
int64_t padded(int64_t N, int64_t H, int64_t W, int64_t C, const Padding& p) {
  return N * (H + p.top + p.bottom) * (W + p.left + p.right) * C;
}

}  // namespace

Work work_of(const AvgPool2dForward& p) { return pooling(p.shape, p.dtype); }
Work work_of(const AvgPool2dBackward& p) { return pooling(p.shape, p.dtype); }
Work work_of(const MaxPool2dForward& p) {
  return pooling(p.shape, p.dtype, 1 + real(size_of(p.index_dtype)) / real(size_of(p.dtype)));
}
Work work_of(const MaxPool2dBackward& p) {
  return pooling(p.shape, p.dtype, 1 + real(size_of(p.index_dtype)) / real(size_of(p.dtype)));
}
Work work_of(const PadForward& p) {
  const int64_t y = padded(p.N, p.H, p.W, p.C, p.padding);
  return streaming(real(p.N * p.H * p.W * p.C + y), p.dtype, y);
}
Work work_of(const PadBackward& p) {
  return streaming(2 * real(p.N * p.H * p.W * p.C), p.dtype, p.N * p.H * p.W * p.C);
}
Work work_of(const Permute& p) {
  int64_t n = 1;
  for (int i = 0; i < p.rank; ++i) n *= p.extent[i];
  return streaming(2 * real(n), p.dtype, n);
}
Work work_of(const CopyChannels& p) {
  return streaming(2 * real(p.rows * p.width), p.dtype, concat(p.rows, "x", p.width));
}

// ---- diffusion ----

Work work_of(const TimestepEmbedding& p) {
  return streaming(real(p.N * p.dim), p.dtype, concat(p.N, "x", p.dim));
}
Work work_of(const AddNoise& p) {
  const int streams = 1 + (p.noise.values ? 1 : 0) + (p.x_t ? 1 : 0) + (p.target ? 1 : 0);
  return streaming(streams * real(p.N * p.E), p.dtype, p.N * p.E);
}
Work work_of(const FillRandom& p) { return streaming(real(p.fill.n), p.fill.dtype, p.fill.n); }
Work work_of(const BatchRows& p) { return streaming(real(p.N), DType::i64, p.N); }

namespace {

// The images' bytes, and `streams` tensors of pixels.
Work picking(const PickedBytes& p, int streams, DType dtype) {
  const int64_t out = p.N * p.out_H * p.out_W * p.C;
  Work work = streaming(streams * real(out), dtype, out);
  work.bytes += real(p.N * p.H * p.W * p.C);
  return work;
}

}  // namespace

Work work_of(const PickImages& p) { return picking(p.bytes, 1, p.dtype); }
Work work_of(const NoisyImages& p) {
  return picking(p.x0, (p.noise.values ? 1 : 0) + (p.x_t ? 1 : 0) + (p.target ? 1 : 0), p.dtype);
}
Work work_of(const DenoiseStep& p) {
  const int model = p.coefficients.scale == NoiseScale::learned_range ? 2 : 1;
  int streams = 1 + model + (p.noise.values ? 1 : 0) + (p.x ? 1 : 0) + (p.x0 ? 1 : 0);
  const DenoiseCoefficients& c = p.coefficients;
  for (int j = 0; j < kMemories; ++j)
    streams += (c.x_memory[j] != 0 || c.keep_memory[j] != 0 ? 1 : 0) + (c.keep == j ? 1 : 0);
  return streaming(streams * real(p.N * p.S * p.C), p.dtype, p.N * p.S * p.C);
}

// ---- optimisers ----

Work work_of(
    const FinishStep& p) {  // gradients are looked at only where their sum of squares is not finite
  return streaming(2, p.loss_dtype, p.n);
}
Work work_of(const AdamW& p) {
  // w, m, v are read and written, so is the average; the gradient is read, and written where it is
  // zeroed.
  Work work =
      streaming((7 + (p.zero_gradient ? 1 : 0) + (p.ema ? 2 : 0)) * real(p.n), p.dtype, p.n);
  if (p.shadow) work.bytes += 2 * real(p.n);
  return work;
}
Work work_of(const NextTimestep& p) { return streaming(real(p.N), p.dtype, p.N); }
Work work_of(const Sgd& p) {
  return streaming((3 + (p.momentum_buffer ? 2 : 0)) * real(p.n), p.dtype, p.n);
}
Work work_of(const Ema& p) { return streaming(3 * real(p.n), p.dtype, p.n); }
Work work_of(const CountNonFinite& p) { return streaming(real(p.n), p.dtype, p.n); }
Work work_of(const SumSquares& p) { return streaming(real(p.n), p.dtype, p.n); }

}  // namespace imago::bench
