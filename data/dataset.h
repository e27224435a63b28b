// Labelled images in memory, as bytes: what the readers give and what batches are made of.
#pragma once

#include "core/tensor.h"

namespace imago::data {

struct ImageDataset {
  Tensor images;  // u8 (N, H, W, C)
  Tensor labels;  // u8 (N); undefined if there are none

  int64_t size() const { return images.defined() ? images.dim(0) : 0; }
};

}  // namespace imago::data
