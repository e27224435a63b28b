// A group normalisation layer, with the activation that follows it.
#pragma once

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/module.h"

namespace imago::nn {

// Normalises each of `groups` channel groups of x (N, ..., C), then scales and shifts each channel.
class GroupNorm : public Module {
 public:
  GroupNorm(const Init& init, int64_t groups, int64_t channels, double eps)
      : options_{.groups = groups, .eps = eps},
        weight_(Tensor::full({channels}, 1, init.dtype()), true),
        bias_(Tensor::zeros({channels}, init.dtype()), true) {
    IMAGO_CHECK(groups > 0 && channels % groups == 0, "GroupNorm: ", channels,
                " channels do not split into ", groups, " groups");
  }

  Variable operator()(const Variable& x) const { return group_norm(x, weight_, bias_, options_); }

  // activation(norm(x)); SiLU is part of the normalisation's kernel.
  Variable operator()(const Variable& x, UnaryOp activation) const {
    if (activation != UnaryOp::silu) return unary(activation, (*this)(x));
    GroupNormOptions options = options_;
    options.activation = Activation::silu;
    return group_norm(x, weight_, bias_, options);
  }

  void visit(const ParameterVisitor& visitor) const override {
    visitor("weight", weight_);
    visitor("bias", bias_);
  }

 private:
  GroupNormOptions options_;
  Variable weight_;  // (C)
  Variable bias_;    // (C)
};

}  // namespace imago::nn
