// Where the first values of parameters come from. Layers ask for PyTorch's defaults: weights and
// biases uniform in +-1/sqrt(fan_in), which is He et al. 2015 (arXiv:1502.01852) with a leaky slope
// of sqrt(5).
#pragma once

#include <functional>
#include <memory>

#include "core/tensor.h"

namespace imago::nn {

// A handle on a sequence of draws: a module draws its parameters one after the other, in the order
// of its construction. Shapes are drawn in PyTorch's layout; layers that store another one convert.
class Init {
 public:
  // Parameter i of the construction has the random key (seed, kInitStream, i).
  static Init random(uint64_t seed, DType dtype = DType::f32);
  // What PyTorch draws on the CPU after torch.manual_seed(seed), bit for bit where it is uniform;
  // f32.
  static Init torch(uint64_t seed);
  // Uninitialised memory, for parameters that are about to be loaded.
  static Init none(DType dtype = DType::f32);

  Tensor uniform(const Shape& shape, double bound) const;  // in [-bound, bound)
  Tensor normal(const Shape& shape, double stddev) const;
  DType dtype() const { return dtype_; }

 private:
  enum class Distribution { uniform, normal };
  using Fill = std::function<void(Tensor& out, Distribution distribution, double width)>;

  Init(DType dtype, Fill fill) : dtype_(dtype), fill_(std::make_shared<Fill>(std::move(fill))) {}

  DType dtype_;
  std::shared_ptr<Fill> fill_;
};

}  // namespace imago::nn
