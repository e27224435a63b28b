// What the tests share: random tensors, comparisons, and the tolerances, one table by type.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <string>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "core/random.h"

namespace imago::test {

using Catch::Matchers::Contains;

// Normal values, different for different seeds and shapes.
inline Tensor randn(const Shape& shape, DType dtype = DType::f64, uint64_t seed = 0) {
  return imago::randn(shape, {.seed = seed, .stream = static_cast<uint32_t>(shape.numel())}, dtype);
}

// max |a - b| / max(1, max |b|)
inline double difference(const Tensor& a, const Tensor& b) {
  IMAGO_CHECK(a.shape() == b.shape(), "difference: ", a.shape(), " against ", b.shape());
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  double gap = 0, scale = 1;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) || std::isnan(y[i])) return INFINITY;
    gap = std::max(gap, std::abs(x[i] - y[i]));
    scale = std::max(scale, std::abs(y[i]));
  }
  return gap / scale;
}

// What one operation may be off by, compared with a reference in double.
inline double tolerance(DType dtype) {
  switch (dtype) {
    case DType::f64: return 1e-11;
    case DType::f32: return 1e-5;
    case DType::bf16: return 2e-2;
    default: return 0;
  }
}

inline constexpr double kGradientTolerance = 1e-6;

// $IMAGO_DATA_DIR, or "" where it is not set: then a test of real data says that it was skipped.
inline std::string data_dir() {
  const char* dir = std::getenv("IMAGO_DATA_DIR");
  return dir ? dir : "";
}

}  // namespace imago::test
