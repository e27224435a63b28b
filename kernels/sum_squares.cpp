#include "kernels/sum_squares.h"

#include "kernels/backend.h"

namespace imago::kernels {

Tensor sum_squares(const Tensor& x) {
  IMAGO_CHECK(x.defined(), "sum_squares: x is undefined");
  Tensor y({}, DType::f64, x.device());
  const SumSquares p{.x = x.raw(), .y = static_cast<double*>(y.raw()), .n = x.numel(), .dtype = x.dtype()};
  backend_for(x.device()).sum_squares(p, current_stream(x.device()));
  return y;
}

}  // namespace imago::kernels
