// Tensors of random numbers, drawn on the device that they are on, with the bits of core/random.h: what a training step
// draws, where the host may not take part.
#pragma once

#include "core/random.h"

namespace imago::kernels {

struct FillRandom {
  RandomFill fill;
};

// As the functions of core/random.h.
void fill_uniform(Tensor& out, const RandomKey& key, double low = 0, double high = 1, uint64_t first = 0);
void fill_normal(Tensor& out, const RandomKey& key, double stddev = 1, uint64_t first = 0);
void fill_integers(Tensor& out, const RandomKey& key, int64_t n, uint64_t first = 0);

}  // namespace imago::kernels
