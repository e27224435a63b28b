// Sums over the middle axis of (A, R, C), in one of three ways: rows of a few elements by one thread for each result,
// long runs of neighbours (C = 1) by blocks that go along them, the rest by blocks that go down the columns.
#include "kernels/sum.h"

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/sums.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Terms {  // of a row
  const T* x;
  int64_t R;
  template <int N>
  __device__ Accumulator<T> term(int64_t a, int64_t r) const {
    const Pack<T, N> values = load_pack<N>(x + a * R + r);
    Accumulator<T> sum = Accumulator<T>(values.v[0]);
    for (int k = 1; k < N; ++k) sum += Accumulator<T>(values.v[k]);
    return sum;
  }
};

template <typename T>
struct Columns {
  static constexpr int kSums = 1;
  using A = Accumulator<T>;
  struct Column {};
  const T* x;
  int64_t R, C;
  template <int N>
  __device__ Column column(int64_t, int64_t) const { return {}; }
  template <int N>
  __device__ void add(Column, int64_t a, int64_t r, int64_t c, A (&sums)[1][N]) const {
    const Pack<T, N> values = load_pack<N>(x + (a * R + r) * C + c);
    for (int k = 0; k < N; ++k) sums[0][k] += A(values.v[k]);
  }
};

// A thread for each pack of results.
template <typename T>
struct ShortColumns {
  const T* x;
  T* y;
  int64_t R, C;
  Divisor columns;
  double factor;

  template <int N>
  __device__ void run(int64_t i) const {
    const auto [a, c] = columns.divide(i);
    const T* from = x + a * R * C + c;
    Accumulator<T> sums[N] = {};
    for (int64_t r = 0; r < R; ++r) {
      const Pack<T, N> values = load_pack<N>(from + r * C);
      for (int k = 0; k < N; ++k) sums[k] += Accumulator<T>(values.v[k]);
    }
    Pack<T, N> result;
    for (int k = 0; k < N; ++k) result.v[k] = T(static_cast<Accumulator<T>>(factor * static_cast<double>(sums[k])));
    store_pack(y + i, result);
  }
};

template <typename T>
struct Repeat {
  const T* dy;
  T* dx;
  int64_t C;
  Divisor columns, rows;
  Accumulator<T> factor;

  template <int N>
  __device__ void run(int64_t i) const {
    using A = Accumulator<T>;
    const auto [row, c] = columns.divide(i);
    const T* from = dy + rows.divide(row).quotient * C + c;
    Pack<T, N> values;
    if (C == 1) {
      for (int k = 0; k < N; ++k) values.v[k] = *from;
    } else {
      values = load_pack<N>(from);
    }
    for (int k = 0; k < N; ++k) values.v[k] = T(factor * A(values.v[k]));
    store_pack(dx + i, values);
  }
};

constexpr int64_t kShort = 32;  // rows that one thread adds up

}  // namespace

void sum_forward(const SumForward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "sum", [&]<typename T>() {
    const T* x = static_cast<const T*>(p.x);
    const StoreScaled<T> store{static_cast<T*>(p.y), p.factor};
    if (p.R <= kShort) {
      const ShortColumns<T> body{x, store.to, p.R, p.C, Divisor(p.C), p.factor};
      for_each_pack_in_rows<T>(p.A * p.C, p.C, stream, body, x, body.y);
    } else if (p.C == 1) {
      row_sums<T>(p.A, p.R, p.A == 1 ? 0 : p.R, stream, Terms<T>{x, p.R}, store, x);
    } else {
      column_sums<T>(p.A, p.R, p.C, stream, Columns<T>{x, p.R, p.C}, store, x);
    }
  });
}

void sum_backward(const SumBackward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "sum", [&]<typename T>() {
    const Repeat<T> body{static_cast<const T*>(p.dy), static_cast<T*>(p.dx), p.C, Divisor(p.C), Divisor(p.R),
                         static_cast<Accumulator<T>>(p.factor)};
    for_each_pack_in_rows<T>(p.A * p.R * p.C, p.C == 1 ? p.R : p.C, stream, body, body.dy, body.dx);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
