#include "kernels/pad.h"

#include "autograd/functions.h"

namespace imago {

Variable pad(const Variable& x, const Padding& padding) {
  return record("pad", kernels::pad(x.value(), padding), {x},
                [padding](const Tensor& dy, Needs) -> Grads { return {kernels::pad_backward(dy, padding)}; });
}

}  // namespace imago
