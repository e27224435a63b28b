// The smallest UNet that makes digits: the one that the Hugging Face diffusion course starts with.
#pragma once

#include <vector>

#include "nn/conv2d.h"
#include "nn/denoiser.h"

namespace imago::nn {

// Three convolutions down, three up, a SiLU behind each, skip connections that are added, and no
// notion of time: it ignores t and guesses how much noise there is. H and W must be multiples of 4.
// 309,057 parameters with one channel.
class BasicUNet : public Denoiser {
 public:
  explicit BasicUNet(const Init& init, int64_t in_channels = 1, int64_t out_channels = 1);

  DType dtype() const override { return down_layers_[0].dtype(); }
  void visit(const ParameterVisitor& visitor) const override;

 private:
  Variable forward(const Variable& x, const Tensor& t, const Tensor& class_labels) const override;

  std::vector<Conv2d> down_layers_, up_layers_;
};

}  // namespace imago::nn
