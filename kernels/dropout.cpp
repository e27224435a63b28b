#include "kernels/dropout.h"

#include "kernels/backend.h"

namespace imago::kernels {

Tensor dropout(const Tensor& x, double p, const RandomKey& key) {
  IMAGO_CHECK(x.defined(), "dropout: x must be defined");
  IMAGO_CHECK(p >= 0 && p < 1, "dropout: p must be in [0, 1), got ", p);
  Tensor y = Tensor::empty_like(x);
  const Dropout params{.x = x.raw(), .y = y.raw(), .n = x.numel(), .p = p, .key = key, .dtype = x.dtype()};
  backend_for(x.device()).dropout(params, current_stream(x.device()));
  return y;
}

}  // namespace imago::kernels
