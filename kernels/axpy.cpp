#include "kernels/axpy.h"

#include "kernels/backend.h"
#include "kernels/check_like.h"

namespace imago::kernels {

void axpy(double a, const Tensor& x, Tensor& y) {
  const bool widens = x.defined() && x.shape() == y.shape() && x.dtype() == DType::bf16 && y.dtype() == DType::f32;
  if (!widens) check_like("axpy", "x", x, y);
  check_same_device("axpy", y, {{"x", x}});
  y.bump_version();
  const Axpy p{.x = x.raw(), .y = y.raw(), .n = y.numel(), .a = a, .dtype = y.dtype(), .x_dtype = x.dtype()};
  backend_for(y.device()).axpy(p, current_stream(y.device()));
}

}  // namespace imago::kernels
