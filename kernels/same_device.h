// The check that the operands of an op lie on one device.
#pragma once

#include <initializer_list>

#include "core/tensor.h"

namespace imago::kernels {

struct Operand {
  const char* name;
  const Tensor& tensor;
};

// Throws unless all of `others` that are defined are on x's device:
// check_same_device("conv2d", x, {{"weight", weight}, {"bias", bias}}).
inline void check_same_device(const char* op, const Tensor& x, std::initializer_list<Operand> others) {
  for (const auto& [name, tensor] : others)
    IMAGO_CHECK(!tensor.defined() || tensor.device() == x.device(), op, ": ", name, " must be on ", x.device(),
                ", got ", tensor.device());
}

}  // namespace imago::kernels
