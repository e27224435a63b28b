// A convolution layer.
#pragma once

#include <cmath>

#include "autograd/functions.h"
#include "nn/conv_layout.h"
#include "nn/init.h"
#include "nn/module.h"

namespace imago::nn {

// x (N, H, W, I) -> (N, HO, WO, O), with a square kernel and a bias.
class Conv2d : public Module {
 public:
  Conv2d(const Init& init, int64_t in, int64_t out, int64_t kernel,
         const Conv2dOptions& options = {})
      : Conv2d(init, in, out, kernel, options,
               1 / std::sqrt(in / options.groups * kernel * kernel)) {}

  // What is added to each output is part of the convolution: `per_channel` (N, O) and `residual`
  // (N, HO, WO, O).
  Variable operator()(const Variable& x, const Variable& per_channel = {},
                      const Variable& residual = {}) const {
    return conv2d(x, weight_, options_,
                  {.bias = bias_, .channel_bias = per_channel, .residual = residual});
  }

  DType dtype() const { return weight_.dtype(); }

  void visit(const ParameterVisitor& visitor) const override {
    visitor("weight", weight_);
    visitor("bias", bias_);
  }

 private:
  Conv2d(const Init& init, int64_t in, int64_t out, int64_t kernel, const Conv2dOptions& options,
         double bound)
      : options_(options),
        weight_(oihw_to_ohwi(init.uniform({out, in / options.groups, kernel, kernel}, bound)),
                true),
        bias_(init.uniform({out}, bound), true) {}

  Conv2dOptions options_;
  Variable weight_;  // (O, KH, KW, I/groups)
  Variable bias_;    // (O)
};

}  // namespace imago::nn
