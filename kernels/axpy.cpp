#include "kernels/axpy.h"

#include "kernels/backend.h"
#include "kernels/check_like.h"

namespace imago::kernels {

void axpy(double a, const Tensor& x, Tensor& y) {
  check_like("axpy", "x", x, y);
  y.bump_version();
  const Axpy p{.x = x.raw(), .y = y.raw(), .n = y.numel(), .a = a, .dtype = y.dtype()};
  backend_for(y.device()).axpy(p, current_stream(y.device()));
}

}  // namespace imago::kernels
