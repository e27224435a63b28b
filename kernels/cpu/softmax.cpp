#include "kernels/softmax.h"

#include "kernels/cpu/rows.h"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
void forward(const SoftmaxForward& p) {
  const int64_t C = p.C;
  parallel_chunks(p.M, row_grain(C), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* x = static_cast<const T*>(p.x) + row * C;  // (C)
      T* y = static_cast<T*>(p.y) + row * C;              // (C)
      const T largest = row_max(C, x);
      for (int64_t c = 0; c < C; ++c) y[c] = exp_of(x[c] - largest);
      const T factor = static_cast<T>(1 / row_sum<T>(C, [=](auto at) { return at(y); }));
      for (int64_t c = 0; c < C; ++c) y[c] *= factor;
    }
  });
}

// dx = y * (dy - sum(dy * y))
template <typename T>
void backward(const SoftmaxBackward& p) {
  const int64_t C = p.C;
  parallel_chunks(p.M, row_grain(C), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* dy = static_cast<const T*>(p.dy) + row * C;  // (C)
      const T* y = static_cast<const T*>(p.y) + row * C;    // (C)
      T* dx = static_cast<T*>(p.dx) + row * C;              // (C)
      const T sum = static_cast<T>(row_sum<T>(C, [=](auto at) { return at(dy) * at(y); }));
      for (int64_t c = 0; c < C; ++c) dx[c] = y[c] * (dy[c] - sum);
    }
  });
}

}  // namespace

void softmax_forward(const SoftmaxForward& p, Stream) {
  visit<float, double>(p.dtype, "softmax", [&]<typename T>() { forward<T>(p); });
}

void softmax_backward(const SoftmaxBackward& p, Stream) {
  visit<float, double>(p.dtype, "softmax", [&]<typename T>() { backward<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
