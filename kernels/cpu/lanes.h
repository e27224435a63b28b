// One body for vector registers and for the numbers that are left over: V is Vec<T> or T.
#pragma once

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

// Reads or writes a V at any address.
template <typename V, typename T>
inline V load_as(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <typename V, typename T>
inline void store_as(T* p, V v) {
  std::memcpy(p, &v, sizeof v);
}

// f.operator()<V>(i) over [0, n): V is Vec<T>, which stands for i, i + 1, ..., as long as it fits, and T for the rest.
template <typename T, typename F>
inline void for_lanes(int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) f.template operator()<Vec<T>>(i);
  for (; i < n; ++i) f.template operator()<T>(i);
}

}  // namespace imago::kernels::IMAGO_BACKEND
