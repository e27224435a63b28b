#include "kernels/scale.h"

#include "kernels/backend.h"

namespace imago::kernels {

Tensor scale(const Tensor& x, double factor, double offset) {
  IMAGO_CHECK(x.defined(), "scale: x must be defined");
  Tensor y = Tensor::empty_like(x);
  const Scale p{
      .x = x.raw(), .y = y.raw(), .n = x.numel(), .factor = factor, .offset = offset, .dtype = x.dtype(),
  };
  backend_for(x.device()).scale(p, current_stream(x.device()));
  return y;
}

}  // namespace imago::kernels
