// Functions of one number, made from the functors that the CPU uses too.
#include "kernels/unary.h"

#include "kernels/cuda/device/elementwise.cuh"
#include "kernels/functors.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T, typename Op>
struct Forward {
  const T* x;
  T* y;

  template <int N>
  __device__ void run(int64_t i) const {
    Pack<T, N> values = load_pack<N>(x + i);
    for (int k = 0; k < N; ++k) values.v[k] = T(Op::value(Accumulator<T>(values.v[k])));
    store_pack(y + i, values);
  }
};

template <typename T, typename Op>
struct Backward {
  const T *dy, *x;
  T* dx;

  template <int N>
  __device__ void run(int64_t i) const {
    const Pack<T, N> values = load_pack<N>(x + i);
    Pack<T, N> gradient = load_pack<N>(dy + i);
    for (int k = 0; k < N; ++k)
      gradient.v[k] = T(Accumulator<T>(gradient.v[k]) * Op::derivative(Accumulator<T>(values.v[k])));
    store_pack(dx + i, gradient);
  }
};

}  // namespace

void unary_forward(const UnaryForward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, name_of(p.op), [&]<typename T>() {
    visit_op(p.op, [&]<typename Op>() {
      const Forward<T, Op> body{static_cast<const T*>(p.x), static_cast<T*>(p.y)};
      for_each_pack<T>(p.n, stream, body, body.x, body.y);
    });
  });
}

void unary_backward(const UnaryBackward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, name_of(p.op), [&]<typename T>() {
    visit_op(p.op, [&]<typename Op>() {
      const Backward<T, Op> body{static_cast<const T*>(p.dy), static_cast<const T*>(p.x), static_cast<T*>(p.dx)};
      for_each_pack<T>(p.n, stream, body, body.dy, body.x, body.dx);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
