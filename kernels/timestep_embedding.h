// The sinusoidal embedding of time steps: Vaswani et al. 2017 (arXiv:1706.03762), section 3.5, as
// diffusion models use it, and the one with random frequencies of Song et al. 2021
// (arXiv:2011.13456).
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

// The names are diffusers' (its freq_shift is also called downscale_freq_shift); the defaults are
// those of its UNet2DModel.
struct TimestepEmbeddingOptions {
  bool flip_sin_to_cos = true;  // [cos, sin] instead of [sin, cos]
  double freq_shift = 0;        // 1 for the models of Ho et al. 2020
  double scale = 1;
  double max_period = 10000;
};

struct TimestepEmbedding {
  const void* t;            // (N)
  const void* frequencies;  // (dim / 2) of dtype, of ln t; null: those of the options, of t
  void* y;                  // (N, dim)
  int64_t N, dim;
  TimestepEmbeddingOptions options;
  DType t_dtype, dtype;
};

// With half = dim / 2 and f_i = max_period^(-i / (half - freq_shift)), i < half: row n is
//   [sin(scale t_n f_0), ..., sin(scale t_n f_{half-1}), cos(scale t_n f_0), ..., cos(scale t_n
//   f_{half-1})]
// with the halves exchanged by flip_sin_to_cos, and a zero behind them if dim is odd. t (N) is i32,
// i64, f32 or f64: steps need not be integers. The result is (N, dim) of `dtype`, floating point,
// and has no gradient.
Tensor timestep_embedding(const Tensor& t, int64_t dim,
                          const TimestepEmbeddingOptions& options = {}, DType dtype = DType::f32);

// [sin a_0, ..., sin a_{F-1}, cos a_0, ..., cos a_{F-1}], a_i = 2 pi ln(t_n) frequencies_i: (N, 2 F)
// of the type of frequencies (F). t as above, positive.
Tensor fourier_embedding(const Tensor& t, const Tensor& frequencies);

}  // namespace imago::kernels
