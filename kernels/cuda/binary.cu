// Arithmetic of two tensors with broadcasting. A thread makes a pack of neighbours of the last axis, along which an
// operand either goes on (one 16-byte load) or stands still (one value for the whole pack).
#include "kernels/binary.h"

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/elementwise.cuh"
#include "kernels/functors.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <int N, typename T>
__device__ __forceinline__ Pack<T, N> load_or_repeat(const T* p, bool repeat) {
  if constexpr (N == 1) return load_pack<1>(p);
  if (!repeat) return load_pack<N>(p);
  Pack<T, N> pack;
  for (int k = 0; k < N; ++k) pack.v[k] = *p;
  return pack;
}

template <typename Op, typename T>
struct Forward {
  const T *a, *b;
  T* y;
  int rank;
  Divisor extent[kMaxRank];
  int64_t a_stride[kMaxRank], b_stride[kMaxRank];

  template <int N>
  __device__ void run(int64_t i) const {
    using A = Accumulator<T>;
    int64_t rest = i, from_a = 0, from_b = 0;
#pragma unroll
    for (int axis = kMaxRank - 1; axis > 0; --axis) {
      if (axis >= rank) continue;
      const auto [above, index] = extent[axis].divide(rest);
      from_a += index * a_stride[axis];
      from_b += index * b_stride[axis];
      rest = above;
    }
    from_a += rest * a_stride[0];
    from_b += rest * b_stride[0];
    const Pack<T, N> left = load_or_repeat<N>(a + from_a, a_stride[rank - 1] == 0);
    const Pack<T, N> right = load_or_repeat<N>(b + from_b, b_stride[rank - 1] == 0);
    Pack<T, N> result;
    for (int k = 0; k < N; ++k) result.v[k] = T(Op::value(A(left.v[k]), A(right.v[k])));
    store_pack(y + i, result);
  }
};

}  // namespace

void binary_forward(const BinaryForward& p, Stream stream) {
  int64_t n = 1;
  for (int axis = 0; axis < p.rank; ++axis) n *= p.extent[axis];
  visit<float, double, bfloat16>(p.dtype, name_of(p.op), [&]<typename T>() {
    visit_op(p.op, [&]<typename Op>() {
      Forward<Op, T> body{
          .a = static_cast<const T*>(p.a), .b = static_cast<const T*>(p.b), .y = static_cast<T*>(p.y),
          .rank = p.rank, .extent = {}, .a_stride = {}, .b_stride = {},
      };
      for (int axis = 0; axis < p.rank; ++axis) {
        body.extent[axis] = Divisor(p.extent[axis]);
        body.a_stride[axis] = p.a_stride[axis];
        body.b_stride[axis] = p.b_stride[axis];
      }
      // Where all is one row, its end is a tail like any other.
      const int64_t width = p.rank > 1 ? p.extent[p.rank - 1] : 0;
      for_each_pack_in_rows<T>(n, width, stream, body, body.a, body.b, body.y);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
