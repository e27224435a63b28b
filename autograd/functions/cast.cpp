#include "autograd/functions.h"

namespace imago {

Variable cast(const Variable& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return record("cast", x.value().to(dtype), {x},
                [from = x.dtype()](const Tensor& dy, Needs) -> Grads { return {dy.to(from)}; });
}

}  // namespace imago
