// Many small images side by side on one.
#pragma once

#include "core/tensor.h"

namespace imago::data {

struct GridOptions {
  int64_t columns = 0;  // 0: as near to a square as it gets
  int64_t border = 2;   // pixels between the images and around them
  int64_t upscale = 1;  // every pixel becomes upscale x upscale pixels; the border stays as it is
  uint8_t background = 255;
};

// Of the picture that image_grid() makes of images of this shape: (rows * ..., columns * ..., C).
Shape grid_shape(const Shape& images, const GridOptions& options = {});

// u8 images (N, H, W, C), row by row, to one u8 image (rows * ..., columns * ..., C).
Tensor image_grid(const Tensor& images, const GridOptions& options = {});

}  // namespace imago::data
