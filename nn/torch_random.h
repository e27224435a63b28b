// PyTorch's CPU random generator, so that what Python made from a seed can be made again: initial
// weights, sampling noise.
#pragma once

#include <random>

#include "core/tensor.h"

namespace imago::nn {

// Draws what torch draws after torch.manual_seed(seed), or from a torch.Generator of that seed.
class TorchRandom {
 public:
  explicit TorchRandom(uint64_t seed) : engine_(static_cast<uint32_t>(seed)) {}

  // Tensor.uniform_(low, high) of an f32 tensor, bit for bit.
  void fill_uniform(Tensor& out, float low, float high);
  // torch.randn of an f32 tensor, up to the rounding of log, sin and cos, which differs among torch's own builds.
  void fill_normal(Tensor& out);
  // torch.randint(low, high) of an i64 tensor.
  void fill_integers(Tensor& out, int64_t low, int64_t high);

 private:
  float uniform();
  uint64_t two_words();
  double uniform_53_bits();
  double scalar_normal();

  std::mt19937 engine_;
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

}  // namespace imago::nn
