// A table of learned vectors.
#pragma once

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/module.h"

namespace imago::nn {

// ids, i32 or i64 of any shape -> ids.shape + (C)
class Embedding : public Module {
 public:
  Embedding(const Init& init, int64_t rows, int64_t channels)
      : weight_(init.normal({rows, channels}, 1), true) {}

  Variable operator()(const Tensor& ids) const { return embedding(ids, weight_); }

  void visit(const ParameterVisitor& visitor) const override { visitor("weight", weight_); }

 private:
  Variable weight_;  // (V, C)
};

}  // namespace imago::nn
