// An element of one type as one of another: what Tensor::to() does, the same on the host and in kernels.
#pragma once

#include <limits>
#include <type_traits>

#include "core/dtype.h"

namespace imago {

// Runs f.operator()<T>() for any element type.
template <typename F>
void visit_element(DType dtype, const char* op, F&& f) {
  visit<float, double, bfloat16, int32_t, int64_t, uint8_t>(dtype, op, f);
}

// The integer towards zero from x; the nearest one that T has if that is not in T; 0 for NaN.
template <typename T>
IMAGO_HOST_DEVICE inline T truncate_to(double x) {
  constexpr T kMin = std::numeric_limits<T>::min(), kMax = std::numeric_limits<T>::max();
  if (!(x == x)) return 0;
  // 2^k is a double for every k, so `end` is exact where double(max) would be rounded up.
  constexpr double end = 2.0 * static_cast<double>(kMax / 2 + 1);
  if (x >= end) return kMax;
  if (x <= static_cast<double>(kMin)) return kMin;
  return static_cast<T>(x);
}

template <typename To, typename From>
IMAGO_HOST_DEVICE inline To element_cast(From value) {
  if constexpr (std::is_same_v<From, bfloat16>) {
    return element_cast<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return bfloat16(static_cast<float>(value));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return truncate_to<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace imago
