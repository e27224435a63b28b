// The forward process of diffusion, Ho et al. 2020 (arXiv:2006.11239), equation 4, and what the
// model is to predict.
#pragma once

#include "kernels/noise.h"
#include "kernels/options.h"

namespace imago::kernels {

struct AddNoise {
  const void* x0;              // (N, E)
  NoiseSource noise;           // (N, E)
  const void* t;               // (N), or null: image n has entry n
  const float *alpha, *sigma;  // (T) each
  void *x_t, *target;          // (N, E); null where not wanted
  int64_t N, E;
  PredictionType prediction;  // what target is
  DType t_dtype, dtype;
};

struct NoisyBatch {
  Tensor x_t, target;
};

// x_t[n] = alpha[t[n]] x0[n] + sigma[t[n]] noise[n], and the target of a model that predicts
//   epsilon: noise;  sample: x0;  v_prediction: alpha[t[n]] noise[n] - sigma[t[n]] x0[n];
//   flow_prediction: noise - x0
// x0 is (N, ...), floating point; t is (N), i32 or i64, below T; alpha and sigma are (T), f32:
// sqrt(alpha_bar) and sqrt(1 - alpha_bar) in the paper's words. Without t, T is N and image n has entry n of both.
NoisyBatch noisy_batch(const Tensor& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
                       const Tensor& sigma, PredictionType prediction);
// The part of the arguments that every function here has, and noisy_images: throws unless they fit N images.
void check_schedule(const char* op, const Noise& noise, const Tensor& t, int64_t N, const Tensor& alpha,
                    const Tensor& sigma);
// x_t alone.
Tensor add_noise(const Tensor& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
                 const Tensor& sigma);
// The target v alone.
Tensor velocity(const Tensor& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
                const Tensor& sigma);

}  // namespace imago::kernels
