// The random numbers of a sampling run: imago's own, or those that PyTorch would have drawn.
#pragma once

#include <optional>

#include "kernels/noise.h"
#include "nn/torch_random.h"

namespace imago::diffusion {

struct SamplingSeed {
  uint64_t seed = 0;
  uint64_t first_image = 0;  // images of one seed are numbered: parts of a batch equal the batch
  // PyTorch's CPU generator in place of imago's: the noise that diffusers' pipelines draw for the whole batch when they
  // are given torch.Generator().manual_seed(torch_seed).
  std::optional<uint64_t> torch_seed = {};
};

// Standard normal noise for an x of one shape (N, ..., C).
class SamplingNoise {
 public:
  SamplingNoise(const SamplingSeed& seed, const Shape& shape);

  // What sampling starts from, times `deviation`; to be called once, before the steps.
  Tensor start(double deviation);
  // For step k, from 1. PyTorch's generator does not draw where a step wants none, so call this only where it does.
  kernels::Noise step(uint32_t k);
  // The same for a step whose number lies in the device's memory. PyTorch's generator runs on the host.
  bool is_drawn_on_device() const { return !torch_; }
  kernels::Noise step_at(const uint32_t* k) const;

 private:
  RandomKey key(uint32_t k) const;
  Tensor draw_torch();

  SamplingSeed seed_;
  Shape shape_;
  uint64_t first_element_;
  std::optional<nn::TorchRandom> torch_;
};

}  // namespace imago::diffusion
