// A check that many fronts make.
#pragma once

#include "kernels/same_device.h"

namespace imago::kernels {

// Throws unless t has the shape and type of `like` and is on the same device.
inline void check_like(const char* op, const char* name, const Tensor& t, const Tensor& like) {
  IMAGO_CHECK(t.defined() && t.shape() == like.shape() && t.dtype() == like.dtype(), op, ": ", name, " must be ",
              like.shape(), " ", like.dtype(), ", got ", t.shape(), " ", t.dtype());
  check_same_device(op, like, {{name, t}});
}

}  // namespace imago::kernels
