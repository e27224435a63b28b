// The pixels of picked images, tile by tile.
#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/pick_images.h"

namespace imago::kernels::IMAGO_BACKEND {

// Elements [begin, begin + count) of image n of the batch; values is what each byte becomes.
template <typename T>
void picked_pixels(const PickedBytes& p, int64_t n, const float* values, int64_t begin, int64_t count, T* out) {
  const bool mirror = p.flip && uniform_at(p.flips, static_cast<uint64_t>(p.rows[n])) < 0.5f;
  const uint8_t* image = p.images + (p.gathered ? n : p.rows[n]) * p.H * p.W * p.C;
  const int64_t top = (p.out_H - p.H) / 2, left = (p.out_W - p.W) / 2, row = p.out_W * p.C;
  for (int64_t i = begin; i < begin + count; ++i) {
    const int64_t y = i / row - top, x = i % row / p.C - left, c = i % p.C;
    const bool inside = y >= 0 && y < p.H && x >= 0 && x < p.W;
    const uint8_t byte = inside ? image[(y * p.W + (mirror ? p.W - 1 - x : x)) * p.C + c] : uint8_t{0};
    *out++ = static_cast<T>(values[byte]);
  }
}

}  // namespace imago::kernels::IMAGO_BACKEND
