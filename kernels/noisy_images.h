// A training batch from a data set of bytes in one pass: images are picked, mirrored, padded and scaled, and noise is
// added to them. No clean image, and no noise, is ever stored.
#pragma once

#include "kernels/add_noise.h"

namespace imago::kernels {

// What a byte becomes: [0, 255] to [-1, 1], each operation rounded to f32.
IMAGO_HOST_DEVICE inline float symmetric_pixel(uint8_t byte) {
  return (static_cast<float>(byte) / 255.0f - 0.5f) / 0.5f;
}

struct NoisyImages {
  const uint8_t* images;       // (M, H, W, C)
  const int64_t* rows;         // (N), below M
  NoiseSource noise;           // (N, out_H, out_W, C)
  const void* t;               // (N)
  const float *alpha, *sigma;  // (T) each
  void *x_t, *target;          // (N, out_H, out_W, C); target is null where not wanted
  int64_t N, H, W, C, out_H, out_W;
  bool flip;
  RandomKey flips;  // element m decides on image m
  PredictionType prediction;
  DType t_dtype, dtype;
};

struct NoisyImagesOptions {
  int64_t pad_to = 0;      // black around the images, to pad_to x pad_to pixels; 0: none
  bool flip = false;       // mirrors image m, left to right, if element m of `flips` is below 1/2
  RandomKey flips = {};
  PredictionType prediction = PredictionType::epsilon;
  DType dtype = DType::f32;  // of the results
};

// noisy_batch (kernels/add_noise.h) of images rows[0], rows[1], ... of a data set of u8 (M, H, W, C), scaled to [-1, 1]
// as data/pixels.h does it: what data::Batches and noisy_batch make of the same rows, if flips has the epoch for its
// step. rows is (N), i64; the noise is drawn, or a tensor of the result's shape and type.
NoisyBatch noisy_images(const Tensor& images, const Tensor& rows, const Noise& noise, const Tensor& t,
                        const Tensor& alpha, const Tensor& sigma, const NoisyImagesOptions& options = {});

}  // namespace imago::kernels
