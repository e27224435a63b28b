#include "kernels/scale.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

void scale(const Scale& p, Stream) {
  visit<float, double>(p.dtype, "scale", [&]<typename T>() {
    const T* x = static_cast<const T*>(p.x);
    T* y = static_cast<T*>(p.y);
    const T factor = static_cast<T>(p.factor), offset = static_cast<T>(p.offset);
    parallel_chunks(p.n, 1 << 14, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = factor * x[i] + offset;
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
