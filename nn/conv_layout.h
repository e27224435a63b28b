// The two layouts of a convolution's weight: (O, KH, KW, I) here, (O, I, KH, KW) in PyTorch.
#pragma once

#include "core/tensor.h"

namespace imago::nn {

Tensor oihw_to_ohwi(const Tensor& weight);
Tensor ohwi_to_oihw(const Tensor& weight);

}  // namespace imago::nn
