// A fully connected layer.
#pragma once

#include <cmath>

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/module.h"

namespace imago::nn {

// y = x weight^T + bias over the last axis.
class Linear : public Module {
 public:
  Linear(const Init& init, int64_t in, int64_t out)
      : weight_(init.uniform({out, in}, 1 / std::sqrt(in)), true),
        bias_(init.uniform({out}, 1 / std::sqrt(in)), true) {}

  Variable operator()(const Variable& x) const { return linear(x, weight_, bias_); }

  void visit(const ParameterVisitor& visitor) const override {
    visitor("weight", weight_);
    visitor("bias", bias_);
  }

 private:
  Variable weight_;  // (O, I)
  Variable bias_;    // (O)
};

}  // namespace imago::nn
