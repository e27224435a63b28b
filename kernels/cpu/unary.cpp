// Functions of one number: plain loops over functors, which the compiler turns into vector code for float.
#include "kernels/unary.h"

#include "kernels/cpu/isa.h"
#include "kernels/functors.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements of one task

}  // namespace

void unary_forward(const UnaryForward& p, Stream) {
  visit<float, double>(p.dtype, name_of(p.op), [&]<typename T>() {
    visit_op(p.op, [&]<typename Op>() {
      const T* x = static_cast<const T*>(p.x);
      T* y = static_cast<T*>(p.y);
      parallel_chunks(p.n, kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) y[i] = Op::value(x[i]);
      });
    });
  });
}

void unary_backward(const UnaryBackward& p, Stream) {
  visit<float, double>(p.dtype, name_of(p.op), [&]<typename T>() {
    visit_op(p.op, [&]<typename Op>() {
      const T* x = static_cast<const T*>(p.x);
      const T* dy = static_cast<const T*>(p.dy);
      T* dx = static_cast<T*>(p.dx);
      parallel_chunks(p.n, kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * Op::derivative(x[i]);
      });
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
