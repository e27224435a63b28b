// How large a model is, and how much work.
#pragma once

#include "nn/unet2d.h"

namespace imago::nn {

struct Description {
  int64_t parameters = 0;
  // Floating-point operations of one forward pass over one image, a multiplication and an addition
  // being two: those of convolutions, linear layers and attention, which are nearly all.
  int64_t flops_per_image = 0;
};

// For images of this size, which must be multiples of config().downsampling(). The work that does
// not grow with the image, for the time step, is counted once per image.
Description describe(const UNet2D& unet, const ImageSize& size);

}  // namespace imago::nn
