#include "kernels/scale.h"

#include "autograd/functions.h"

namespace imago {

Variable scale(const Variable& x, double factor, double offset) {
  return record("scale", kernels::scale(x.value(), factor, offset), {x},
                [factor](const Tensor& dy, Needs) -> Grads { return {kernels::scale(dy, factor)}; });
}

}  // namespace imago
