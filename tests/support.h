// What the tests share: random tensors, comparisons, and the tolerances, one table by type.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

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

// The element types, besides f64, that the tested device has kernels for.
inline std::vector<DType> device_types() {
  if (default_device() == Device::cpu) return {DType::f32};
  return {DType::f32, DType::bf16};
}

// Tensors are made on `device` while it lives.
class DeviceScope {
 public:
  explicit DeviceScope(Device device) : before_(default_device()) { set_default_device(device); }
  ~DeviceScope() { set_default_device(before_); }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  Device before_;
};

// What the tested device makes of f in `dtype`, against the CPU in f64: the largest difference() over the value of f
// and the gradients of all inputs. Inputs are rounded to `dtype` first, so that only the computation is compared.
inline double disagreement(const std::function<Variable(const std::vector<Variable>&)>& f,
                           const std::vector<Tensor>& inputs, DType dtype) {
  std::vector<Variable> narrow, wide;
  for (const Tensor& t : inputs) {
    narrow.emplace_back(t.to(dtype), true);
    wide.emplace_back(t.to(dtype).to(Device::cpu).to(DType::f64), true);
  }
  const Variable y = f(narrow);
  const Tensor dy = randn(y.shape(), DType::f64, 17).to(dtype);
  y.backward(dy);
  const DeviceScope on_cpu(Device::cpu);
  const Variable reference = f(wide);
  reference.backward(dy.to(Device::cpu).to(DType::f64));
  double gap = difference(y.value(), reference.value());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (wide[i].grad().defined()) gap = std::max(gap, difference(narrow[i].grad(), wide[i].grad()));
  return gap;
}

// A copy that starts one element behind an aligned address, so that nothing can be read or written in packs.
inline Tensor shifted(const Tensor& t) {
  Tensor copy = Tensor({t.numel() + 1}, t.dtype(), t.device()).view(1, t.shape());
  copy.copy_from(t);
  return copy;
}

// $IMAGO_DATA_DIR, or "" where it is not set: then a test of real data says that it was skipped.
inline std::string data_dir() {
  const char* dir = std::getenv("IMAGO_DATA_DIR");
  return dir ? dir : "";
}

}  // namespace imago::test
