// Images of a data set of bytes: picked, mirrored, padded and scaled.
#pragma once

#include "core/philox.h"
#include "core/tensor.h"
#include "kernels/same_device.h"

namespace imago::kernels {

// What a byte becomes: [0, 255] to [0, 1] or [-1, 1], each operation rounded to f32.
IMAGO_HOST_DEVICE inline float unit_pixel(uint8_t byte) { return static_cast<float>(byte) / 255.0f; }
IMAGO_HOST_DEVICE inline float symmetric_pixel(uint8_t byte) { return (unit_pixel(byte) - 0.5f) / 0.5f; }

// A batch of images that have been chosen but not been looked at yet: the x_0 of a training step.
struct PickedImages {
  Tensor images;       // u8 (M, H, W, C)
  Tensor rows;         // i64 (N), below M: image n of the batch is images[rows[n]]
  int64_t pad_to = 0;  // black around the images, to pad_to x pad_to pixels; 0: none
  bool flip = false;   // mirrors image rows[n], left to right, if element rows[n] of `flips` is below 1/2
  RandomKey flips = {};
  bool gathered = false;  // images is (N, H, W, C), the batch alone: image n of it is images[n]
  Tensor epoch = {};      // keeps alive what flips.step_at points to

  Shape shape() const;  // (N, H or pad_to, W or pad_to, C)
  // Images [begin, end) of the batch.
  PickedImages slice(int64_t begin, int64_t end) const;
  // Throws unless all of this fits together.
  void check(const char* op) const;
};

// The same for kernels.
struct PickedBytes {
  const uint8_t* images;  // (M, H, W, C), or (N, H, W, C) if gathered
  const int64_t* rows;    // (N)
  int64_t N, H, W, C, out_H, out_W;
  bool flip, gathered;
  RandomKey flips;
};
PickedBytes bytes_of(const PickedImages& x0);

struct PickImages {
  PickedBytes bytes;
  void* y;         // (N, out_H, out_W, C)
  bool symmetric;  // [-1, 1], not [0, 1]
  DType dtype;
};

// The pixels, in [-1, 1] or [0, 1], as data::Batches makes them of the same rows, if flips has the epoch for its step.
Tensor pick_images(const PickedImages& x0, bool symmetric, DType dtype = DType::f32);

}  // namespace imago::kernels
