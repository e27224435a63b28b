// Changing the size of images.
#pragma once

#include "core/tensor.h"

namespace imago::data {

// u8 (H, W, C) to (height, width, C) by the triangle filter, widened where the image shrinks so that every source pixel
// counts (antialiasing): the arithmetic of PIL's Image.resize(..., BILINEAR), byte for byte, rounding to a byte after
// the horizontal pass as it does. Throws unless all sides are from 1 to 16384.
Tensor resize_bilinear(const Tensor& image, int64_t height, int64_t width);

// Rows [top, top + height) and columns [left, left + width) of (H, W, C), as a copy. Throws where that is not inside.
Tensor crop(const Tensor& image, int64_t top, int64_t left, int64_t height, int64_t width);

// How an image of any shape becomes a square one.
enum class Fit : uint8_t {
  crop,     // the short side is scaled to the resolution and the middle is cut out, as in torchvision
  squeeze,  // both sides are scaled, whatever that does to the proportions
};
Tensor fit_square(const Tensor& image, int64_t resolution, Fit fit);

}  // namespace imago::data
