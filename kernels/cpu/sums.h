// Accurate sums for the CPU's kernels: short runs in T, in vector registers, which then move on to double.
#pragma once

#include "kernels/cpu/lanes.h"

namespace imago::kernels::IMAGO_BACKEND {

// The sum of f over [0, n). f.operator()<V>(i) gives the terms i, i + 1, ... that fill a V: Vec<T>, or T.
template <typename T, typename F>
inline double sum_of(int64_t n, F f) {
  using V = Vec<T>;
  constexpr int64_t step = 4 * kLanes<T>, run = 32 * step;
  double total = 0;
  int64_t i = 0;
  while (i + step <= n) {
    V s0{}, s1{}, s2{}, s3{};
    for (const int64_t end = std::min(n, i + run); i + step <= end; i += step) {
      s0 += f.template operator()<V>(i);
      s1 += f.template operator()<V>(i + kLanes<T>);
      s2 += f.template operator()<V>(i + 2 * kLanes<T>);
      s3 += f.template operator()<V>(i + 3 * kLanes<T>);
    }
    const V s = (s0 + s1) + (s2 + s3);
    for (int lane = 0; lane < kLanes<T>; ++lane) total += s[lane];
  }
  for (; i < n; ++i) total += f.template operator()<T>(i);
  return total;
}

}  // namespace imago::kernels::IMAGO_BACKEND
