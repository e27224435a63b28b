// Halving and doubling the resolution inside a UNet.
#pragma once

#include "nn/conv2d.h"

namespace imago::nn {

// What a resnet block does to its input's resolution.
enum class Resample : uint8_t { none, down, up, fir_down, fir_up };

// down: the mean of each 2 x 2 square; up: each pixel twice in both directions. The others keep
// what the lower resolution cannot show out of it (Zhang 2019, arXiv:1904.11486), as NCSN++ does:
// fir_down takes every second pixel of the image filtered by (1, 3, 3, 1) / 8 in both directions,
// fir_up filters the image with zeros in between by (1, 3, 3, 1) / 4. No parameters.
Variable resample(const Variable& x, Resample direction);

// A convolution of stride 2. padding 0 means one row and one column of zeros at the bottom and at
// the right.
class Downsample2D : public Module {
 public:
  Downsample2D(const Init& init, int64_t channels, int64_t padding);
  Variable operator()(const Variable& x) const { return conv_(x); }
  void visit(const ParameterVisitor& visitor) const override { visitor("conv", conv_); }

 private:
  Conv2d conv_;
};

// Nearest neighbours, then a convolution.
class Upsample2D : public Module {
 public:
  Upsample2D(const Init& init, int64_t channels);
  Variable operator()(const Variable& x) const { return conv_(upsample_nearest(x)); }
  void visit(const ParameterVisitor& visitor) const override { visitor("conv", conv_); }

 private:
  Conv2d conv_;
};

}  // namespace imago::nn
