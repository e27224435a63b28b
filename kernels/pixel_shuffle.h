// Blocks of r x r pixels as channels and back, Shi et al. 2016 (arXiv:1609.05158). The channel order is torch's:
// (c * r + row in block) * r + column in block.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

// (N, H, W, C) -> (N, H/r, W/r, C*r*r). Throws where H or W does not split into blocks.
Tensor pixel_unshuffle(const Tensor& x, int64_t r);
// (N, H, W, C*r*r) -> (N, H*r, W*r, C). Throws where the channels do not make blocks.
Tensor pixel_shuffle(const Tensor& x, int64_t r);

}  // namespace imago::kernels
