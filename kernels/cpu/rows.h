// Reductions over one contiguous row. The compiler may not reorder a float sum, so the vectors are
// written out here.
#pragma once

#include <algorithm>

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

// at(p) in the terms below: the elements of row p that the present step looks at, one vector or, in
// the tail, one value.
template <typename T>
struct VectorAt {
  int64_t i;
  Vec<T> operator()(const T* p) const { return load(p + i); }
};
template <typename T>
struct ScalarAt {
  int64_t i;
  T operator()(const T* p) const { return p[i]; }
};

// op over n lanes, pairwise: in a fixed order, and in log2(n) steps.
template <int n, typename T, typename Op>
inline T fold(const T* lane, Op op) {
  if constexpr (n == 1)
    return lane[0];
  else
    return op(fold<n / 2>(lane, op), fold<n / 2>(lane + n / 2, op));
}
template <typename T, typename Op>
inline T fold_lanes(Vec<T> v, Op op) {
  T lane[kLanes<T>];
  std::memcpy(lane, &v, sizeof v);
  return fold<kLanes<T>>(lane, op);
}

// The sum of term(at) over a row of n: row_sum<T>(n, [=](auto at) { return at(x) * at(y); }) is a
// dot product. Up to 256 vectors are added in T, in four independent chains, and these sums in
// double.
template <typename T, typename F>
inline double row_sum(int64_t n, F term) {
  constexpr int64_t L = kLanes<T>;
  double total = 0;
  int64_t i = 0;
  while (n - i >= L) {
    const int64_t stop = std::min(n, i + 256 * L);
    Vec<T> a{}, b{}, c{}, d{};
    for (; i + 4 * L <= stop; i += 4 * L) {
      a += term(VectorAt<T>{i});
      b += term(VectorAt<T>{i + L});
      c += term(VectorAt<T>{i + 2 * L});
      d += term(VectorAt<T>{i + 3 * L});
    }
    for (; i + L <= stop; i += L) a += term(VectorAt<T>{i});
    total += fold_lanes<T>((a + b) + (c + d), [](T x, T y) { return x + y; });
  }
  for (; i < n; ++i) total += term(ScalarAt<T>{i});
  return total;
}

// The largest of n > 0 values.
template <typename T>
inline T row_max(int64_t n, const T* x) {
  constexpr int64_t L = kLanes<T>;
  T best = x[0];
  int64_t i = 0;
  if (n >= L) {
    Vec<T> a = load(x), b = a;
    for (; i + 2 * L <= n; i += 2 * L) {
      const Vec<T> u = load(x + i), v = load(x + i + L);
      a = u > a ? u : a;
      b = v > b ? v : b;
    }
    if (i + L <= n) {
      const Vec<T> u = load(x + i);
      a = u > a ? u : a;
      i += L;
    }
    best = fold_lanes<T>(a > b ? a : b, [](T x, T y) { return x > y ? x : y; });
  }
  for (; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

// Rows per task, so that a task has some 16 thousand elements: depends on the shape only.
inline int64_t row_grain(int64_t row_length) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, row_length));
}

}  // namespace imago::kernels::IMAGO_BACKEND
