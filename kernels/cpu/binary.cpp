// Arithmetic of two tensors with broadcasting. The last axis of the plan is one of three plain loops; which part of the
// operands it reads is worked out once per row.
#include "kernels/binary.h"

#include "kernels/cpu/isa.h"
#include "kernels/functors.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements of one task

// n elements; a stride of 0 repeats one value.
template <typename Op, typename T>
inline void span(const T* a, int64_t a_stride, const T* b, int64_t b_stride, T* y, int64_t n) {
  if (a_stride && b_stride) {
    for (int64_t i = 0; i < n; ++i) y[i] = Op::value(a[i], b[i]);
  } else if (a_stride) {
    const T value = *b;
    for (int64_t i = 0; i < n; ++i) y[i] = Op::value(a[i], value);
  } else {
    const T value = *a;
    for (int64_t i = 0; i < n; ++i) y[i] = Op::value(value, b[i]);
  }
}

template <typename Op, typename T>
void forward(const BinaryForward& p) {
  const int last = p.rank - 1;
  const int64_t width = p.extent[last], a_stride = p.a_stride[last], b_stride = p.b_stride[last];
  int64_t n = 1;
  for (int i = 0; i < p.rank; ++i) n *= p.extent[i];
  parallel_chunks(n, kGrain, [&](int64_t begin, int64_t end) {
    T* y = static_cast<T*>(p.y);
    for (int64_t i = begin; i < end;) {
      int64_t row = i / width;
      const int64_t first = i - row * width, count = std::min(width - first, end - i);
      const T* a = static_cast<const T*>(p.a) + first * a_stride;
      const T* b = static_cast<const T*>(p.b) + first * b_stride;
      for (int axis = last - 1; axis >= 0; --axis) {
        const int64_t above = axis ? row / p.extent[axis] : 0, index = row - above * p.extent[axis];
        a += index * p.a_stride[axis];
        b += index * p.b_stride[axis];
        row = above;
      }
      span<Op>(a, a_stride, b, b_stride, y + i, count);
      i += count;
    }
  });
}

}  // namespace

void binary_forward(const BinaryForward& p, Stream) {
  visit<float, double>(p.dtype, name_of(p.op), [&]<typename T>() {
    visit_op(p.op, [&]<typename Op>() { forward<Op, T>(p); });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
