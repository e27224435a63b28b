#include "kernels/non_finite.h"

#include "kernels/backend.h"

namespace imago::kernels {

Tensor count_non_finite(const Tensor& x) {
  IMAGO_CHECK(x.defined(), "count_non_finite: x is undefined");
  Tensor y({}, DType::f64, x.device());
  const CountNonFinite p{.x = x.raw(), .y = static_cast<double*>(y.raw()), .n = x.numel(), .dtype = x.dtype()};
  backend_for(x.device()).count_non_finite(p, current_stream(x.device()));
  return y;
}

}  // namespace imago::kernels
