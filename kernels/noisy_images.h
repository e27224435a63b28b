// A training batch from a data set of bytes in one pass: images are picked, mirrored, padded and scaled, and noise is
// added to them. No clean image, and no noise, is ever stored.
#pragma once

#include "kernels/add_noise.h"
#include "kernels/pick_images.h"

namespace imago::kernels {

struct NoisyImages {
  PickedBytes x0;              // (N, out_H, out_W, C)
  NoiseSource noise;           // the same
  const void* t;               // (N)
  const float *alpha, *sigma;  // (T) each
  void *x_t, *target;          // as x0; target is null where not wanted
  PredictionType prediction;
  DType t_dtype, dtype;
};

struct NoisyImagesOptions {
  PredictionType prediction = PredictionType::epsilon;
  DType dtype = DType::f32;  // of the results
};

// noisy_batch (kernels/add_noise.h) of picked images, scaled to [-1, 1]: what pick_images and noisy_batch make of them.
// The noise is drawn, or a tensor of the result's shape and type.
NoisyBatch noisy_images(const PickedImages& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
                        const Tensor& sigma, const NoisyImagesOptions& options = {});

}  // namespace imago::kernels
