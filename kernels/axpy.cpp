#include "kernels/axpy.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

void axpy(double a, const Tensor& x, Tensor& y) {
  IMAGO_CHECK(x.shape() == y.shape() && x.dtype() == y.dtype(), "axpy: x must be ", y.shape(), " ", y.dtype(), ", got ",
              x.shape(), " ", x.dtype());
  check_same_device("axpy", y, {{"x", x}});
  y.bump_version();
  const Axpy p{.x = x.raw(), .y = y.raw(), .n = y.numel(), .a = a, .dtype = y.dtype()};
  backend_for(y.device()).axpy(p, current_stream(y.device()));
}

}  // namespace imago::kernels
