// Clipping by the global norm (Pascanu et al. 2013, arXiv:1211.5063), as a part of an optimiser's own kernel.
#pragma once

#include <cmath>

#include "core/host_device.h"
#include "core/tensor.h"

namespace imago::kernels {

// min(1, max_norm / (norm + 1e-6)): what to multiply gradients of that norm by.
template <typename T>
IMAGO_HOST_DEVICE inline T clip_factor(T norm, T max_norm) {
  const T factor = max_norm / (norm + T(1e-6));
  return factor > T(1) ? T(1) : factor;
}

// As a kernel sees it: where sum_squares() left its result, in the device's memory; null where nothing is clipped.
struct NormClip {
  const double* squared_norm = nullptr;  // (1)
  double max_norm = 0;
};

// As a caller gives it. The norm stays on its device: nobody waits for it.
struct NormClipArguments {
  Tensor squared_norm;  // of sum_squares(); undefined: do not clip
  double max_norm = 1;

  // Throws unless squared_norm is one f64, and max_norm positive.
  NormClip checked(const char* op) const {
    if (!squared_norm.defined()) return {};
    IMAGO_CHECK(squared_norm.numel() == 1 && squared_norm.dtype() == DType::f64, op,
                ": squared_norm must be one f64, got ", squared_norm.shape(), " ", squared_norm.dtype());
    IMAGO_CHECK(max_norm > 0, op, ": max_norm must be positive, got ", max_norm);
    return {.squared_norm = static_cast<const double*>(squared_norm.raw()), .max_norm = max_norm};
  }
};

}  // namespace imago::kernels
