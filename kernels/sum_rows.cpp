#include "kernels/sum_rows.h"

#include "kernels/backend.h"

namespace imago::kernels {

Tensor sum_rows(const Tensor& x) {
  IMAGO_CHECK(x.rank() >= 1, "sum_rows: x must be (..., C), got ", x.shape());
  const int64_t C = x.dim(-1);
  Tensor y = Tensor::zeros({C}, accumulator(x.dtype()), x.device());
  const SumRows p{.x = x.raw(),
                  .y = y.raw(),
                  .M = x.numel() / std::max<int64_t>(1, C),
                  .C = C,
                  .dtype = x.dtype()};
  if (x.numel()) backend_for(x.device()).sum_rows(p, current_stream(x.device()));
  return y;
}

}  // namespace imago::kernels
