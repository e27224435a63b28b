#include "kernels/axpy.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

void axpy(const Axpy& p, Stream) {
  if (p.x_dtype != p.dtype) unsupported_dtype("axpy", p.x_dtype);
  visit<float, double>(p.dtype, "axpy", [&]<typename T>() {
    const T* x = static_cast<const T*>(p.x);
    T* y = static_cast<T*>(p.y);
    const T a = static_cast<T>(p.a);
    parallel_chunks(p.n, 1 << 15, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] += a * x[i];
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
