// The bytes of picked images.
#pragma once

#include "kernels/cuda/device/divide.cuh"
#include "kernels/pick_images.h"

namespace imago::kernels::IMAGO_BACKEND {

struct PickedPixels {
  const uint8_t* images;  // (M, H, W, C), or (N, H, W, C) if gathered
  const int64_t* rows;    // (N)
  int64_t H, W, C, top, left;
  Divisor out_W, by_C;
  bool flip, gathered;
  RandomKey flips;

  explicit PickedPixels(const PickedBytes& p)
      : images(p.images), rows(p.rows), H(p.H), W(p.W), C(p.C), top((p.out_H - p.H) / 2), left((p.out_W - p.W) / 2),
        out_W(p.out_W), by_C(p.C), flip(p.flip), gathered(p.gathered), flips(p.flips) {}

  // Where image n of the batch starts, and whether it is mirrored.
  struct Image {
    const uint8_t* bytes;
    bool mirror;
  };
  __device__ __forceinline__ Image image(int64_t n) const {
    const int64_t m = rows[n];
    const bool mirror = flip && uniform_at(flips, static_cast<uint64_t>(m)) < 0.5f;
    return {images + (gathered ? n : m) * H * W * C, mirror};
  }
  // Element i < 2^31 of it, padded.
  __device__ __forceinline__ uint8_t byte(const Image& image, int64_t i) const {
    const auto [pixel, c] = by_C.divide_small(i);
    const auto [line, column] = out_W.divide_small(pixel);
    const int64_t y = line - top, x = column - left;
    if (y < 0 || y >= H || x < 0 || x >= W) return 0;
    return image.bytes[(y * W + (image.mirror ? W - 1 - x : x)) * C + c];
  }
};

}  // namespace imago::kernels::IMAGO_BACKEND
